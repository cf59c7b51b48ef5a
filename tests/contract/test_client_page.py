"""docs/client.md, against the client."""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zikao_client
from zikao_client import Endpoints, ZikaoClient
from zikao_kit.channel import ServiceConfig
from zikao_kit.tls import DevelopmentCa

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS.parent / "examples" / "clients"
PROMISED = ("zikao_client", "zikao_client.scanner", "zikao_client.serving", "zikao_client.clocks")
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
    named = set(_NAME_ROW.findall(PAGE.partition("## Names")[2].partition("| in |")[0]))
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
    runnable = [each.name for each in EXAMPLES.glob("*.py") if "__main__" in each.read_text()]
    assert [name for name in runnable if f"({'../examples/clients/' + name})" not in PAGE] == []
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGE):
        assert (DOCS / link).exists(), link


def test_every_name_of_a_submodule_is_on_the_page() -> None:
    """Those that the package promises beside its own."""
    rows = dict(re.findall(r"^\| `(zikao_client\.\w+)` \| ([^|]+) \|", PAGE, re.MULTILINE))
    assert rows.keys() == set(PROMISED[1:])
    for module, names in rows.items():
        assert set(re.findall(r"`(\w+)`", names)) == set(importlib.import_module(module).__all__)


def not_promised(source: str) -> Iterator[str]:
    """What a program imports of zikao that docs/versioning.md does not promise to keep."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.startswith("zikao"))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("zikao"):
            public: list[str] = []
            if node.module in PROMISED:
                public = importlib.import_module(node.module).__all__
            is_contract = re.fullmatch(r"zikao\.\w+\.v1", node.module)
            for each in node.names:
                if each.name not in public and not is_contract:
                    yield f"{node.module}.{each.name}"


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_need_nothing_that_is_not_promised(example: Path) -> None:
    """Whoever begins with one has to know of generated contracts and of the client alone."""
    assert list(not_promised(example.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "import zikao_kit.tls",
        "from zikao_kit.clock import Clock",
        "from zikao_client.calls import bearer",
        "from zikao_client import nothing",
        "from zikao_client.scanner import read_trust",
        "from zikao_ctl.main import main",
        "def main():\n    from zikao_tickets.proof import verify",
    ],
)
def test_what_is_not_promised_is_seen(line: str) -> None:
    """Negative control: ours, and names that are in nobody's `__all__`."""
    assert list(not_promised(line))


def test_clients_in_other_languages_are_told_the_same_service_config() -> None:
    """The page's JSON is what the typed client gives gRPC for the method that it names."""
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    method = "/zikao.enrollment.v1.EnrollmentService/SubmitPlan"
    assert json.loads(shown) == json.loads(ServiceConfig(frozenset({method})).to_json())
