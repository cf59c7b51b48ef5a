"""docs/capacity.md, against the figures and the arithmetic it is made of."""

from pathlib import Path

from zikao_ctl.capacity.command import DEFAULT_QUESTION
from zikao_ctl.capacity.figures import read_figures
from zikao_ctl.capacity.page import insert, markdown

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_command_says_of_the_figures() -> None:
    """Nobody has changed figures or arithmetic without `zikao capacity --page docs/capacity.md`."""
    page = (DOCS / "capacity.md").read_text(encoding="utf-8")
    answer = markdown(DEFAULT_QUESTION, read_figures(DOCS / "capacity-figures.json"))
    assert insert(page, answer) == page
