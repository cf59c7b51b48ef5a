"""docs/api, against the contracts it is made from."""

from __future__ import annotations

import re
import shutil
from pathlib import Path, PurePosixPath

import api_reference
import pytest
from api_reference import FOLDER, Reference, callers, differing
from contract_source import read_contracts
from support.contracts import ROOT as PROTOS
from support.contracts import errors_stated, messages, methods
from zikao.options.v1 import options_pb2

PAGES = sorted(FOLDER.rglob("*.md"))
DESCRIBED = [each for each in methods() if not each.full_name.startswith("zikao.sandbox.")]
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
_CODE = re.compile(r"`[^`]*`")
_REASON_ROW = re.compile(r"^\| \[`([A-Z_]+)`\]", re.MULTILINE)


def anchors(page: Path) -> list[str]:
    """The anchors that a code host makes of a page's headings."""
    headings = _HEADING.findall(page.read_text(encoding="utf-8"))
    return [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(FOLDER).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    """Whoever follows a type, a method or an error finds it, in its page and at its heading."""
    assert len(anchors(page)) == len(set(anchors(page)))
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    for path, anchor in _LINK.findall(text):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def test_every_method_and_message_has_its_section() -> None:
    """Nothing of the contracts is left out but the sandbox's, which plays others in rehearsals."""
    pages = {page.relative_to(FOLDER).as_posix(): anchors(page) for page in PAGES}
    described = [(each.containing_service.file.name, each.name) for each in DESCRIBED]
    described += [(each.file.name, each.name) for each in messages()]
    for file, name in described:
        if not file.startswith("zikao/sandbox/"):
            assert name.lower() in pages[api_reference.page_path(file).as_posix()], (file, name)


def test_every_method_has_the_errors_it_states() -> None:
    """The table of a method's errors is what its comment says, those of other methods included."""
    for method in DESCRIBED:
        file = method.containing_service.file.name
        text = (FOLDER / api_reference.page_path(file)).read_text(encoding="utf-8")
        section = text.partition(f"\n### {method.name}\n")[2].partition("\n## ")[0]
        rows = _REASON_ROW.findall(section.partition("\n### ")[0])
        stated = errors_stated()[method.full_name] or frozenset()
        assert (set(rows), len(rows)) == (set(stated), len(stated)), method.full_name


def test_a_page_that_is_not_the_protos_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check names a page that was edited, one that is missing, and one that nothing makes."""
    pages = Reference(read_contracts(PROTOS)).pages()
    shutil.copytree(FOLDER, tmp_path / "api")
    monkeypatch.setattr(api_reference, "FOLDER", tmp_path / "api")
    assert differing(pages) == []
    with (tmp_path / "api/README.md").open("a", encoding="utf-8") as page:
        page.write("x")
    (tmp_path / "api/tickets/types.md").unlink()
    (tmp_path / "api/tickets/older.md").write_text("", encoding="utf-8")
    assert differing(pages) == ["README.md", "tickets/older.md", "tickets/types.md"]


def test_who_may_call_is_said_in_words() -> None:
    """Each of the three ways of a permission is in the text, and a closed method says so."""
    both = options_pb2.Access(roles=[options_pb2.ROLE_CANDIDATE], services=["portal"])
    assert callers(both) == "an access token of `candidate`; a certificate of `portal`"
    assert callers(options_pb2.Access(anyone=True)).startswith("any certificate")
    assert callers(options_pb2.Access()) == "nobody"


def test_pages_are_named_by_their_files() -> None:
    """A page stands where its file's name says."""
    path = api_reference.page_path("zikao/tickets/v1/door_service.proto")
    assert path == PurePosixPath("tickets/door_service.md")
