"""docs/safety.md: what keeps seats, money and people safe, and which test would miss each."""

from __future__ import annotations

from pathlib import PurePath

from mutation.mutant import Catch, Mutant
from mutation.mutants import GROUPS
from mutation.shadow import ROOT

PAGE = ROOT / "docs" / "safety.md"
BEGIN, END = "<!-- mutants: made by `make mutation` -->", "<!-- end of mutants -->"
HEAD = (
    "| mechanism | where | taken away | noticed by | without it |\n| --- | --- | --- | --- | --- |"
)


def page_with_table() -> str:
    """The page as it should be: what people wrote, and the table of today's mutants."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


def tables() -> str:
    """A heading and a table for each group."""
    return "\n\n".join(
        "\n".join([f"### {title}\n", HEAD, *map(_row, mutants)])
        for title, mutants in GROUPS.items()
    )


def _row(mutant: Mutant) -> str:
    where = "<br>".join(f"`{PurePath(file).name}`" for file in mutant.files)
    tests = "<br>".join(map(_catch, mutant.catches))
    cells = (f"{mutant.mechanism} (`{mutant.name}`)", where, mutant.removal, tests, mutant.harm)
    return f"| {' | '.join(cells)} |"


def _catch(catch: Catch) -> str:
    file, _, test = catch.test.partition("::")
    return f"`{PurePath(file).stem}`: `{test}`"
