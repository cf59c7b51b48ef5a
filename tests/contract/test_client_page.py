"""docs/client.md, against the client."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import zikao_client
from zikao_client import Endpoints, ZikaoClient
from zikao_kit.tls import DevelopmentCa

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "client.md").read_text(encoding="utf-8")
_STUB_ROW = re.compile(r"^\| `(\w+)` \| \[(\w+)\.(\w+)\]\((api/[\w/]+\.md)\) \|$", re.MULTILINE)
_NAME_ROW = re.compile(r"^\| `(\w+)[^`]*` \| ", re.MULTILINE)


async def test_every_stub_is_on_the_page(tmp_path: Path) -> None:
    """Which attribute has which service is said for all, and none is made up."""
    endpoints = Endpoints("localhost:1", "localhost:1", "localhost:1")
    stubs = {}
    async with ZikaoClient(endpoints, DevelopmentCa(tmp_path).issue("portal")) as client:
        for name, stub in vars(client).items():
            if not name.startswith("_"):
                package = sys.modules[type(stub).__module__].__name__.split(".")[1]
                stubs[name] = (package, type(stub).__name__.removesuffix("Stub"))
    rows = _STUB_ROW.findall(PAGE)
    assert {name: (part, service) for name, part, service, _ in rows} == stubs
    assert all((DOCS / page).is_file() for *_, page in rows)


def test_every_public_name_is_on_the_page_and_says_what_it_is() -> None:
    """What the package exports has a row on the page and a docstring of its own."""
    named = set(_NAME_ROW.findall(PAGE.partition("## Names")[2].partition("Attributes of")[0]))
    assert set(zikao_client.__all__) == named
    for name in zikao_client.__all__:
        text = getattr(zikao_client, name).__doc__ or ""
        assert len(text.split()) > 3, name
        assert not text.startswith(f"{name}("), f"{name} has a dataclass's own text"


def test_the_packages_are_typed() -> None:
    """Type checkers of other projects read our types (PEP 561)."""
    root = Path(zikao_client.__file__).parent.parent
    for package in ("zikao_client", "zikao_kit", "protos/zikao"):
        assert (root / package / "py.typed").is_file(), package


def test_every_program_is_on_the_page() -> None:
    """Each example that can be run is named, and links lead to files."""
    examples = DOCS.parent / "examples" / "clients"
    runnable = [each.name for each in examples.glob("*.py") if "__main__" in each.read_text()]
    assert [name for name in runnable if f"({'../examples/clients/' + name})" not in PAGE] == []
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGE):
        assert (DOCS / link).exists(), link
