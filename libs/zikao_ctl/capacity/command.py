"""`zikao capacity`: how many processes and which database an opening needs, with the arithmetic."""

from __future__ import annotations

from pathlib import Path

import click

from zikao_ctl.capacity.demand import Question
from zikao_ctl.capacity.figures import FiguresError, read_figures
from zikao_ctl.capacity.page import NoMarkers, insert, markdown
from zikao_ctl.options import FILE

DEFAULT_FIGURES = Path("docs/capacity-figures.json")
DEFAULT_QUESTION = Question(candidates=300_000, first_minutes=5, share=0.6)


@click.command("capacity", short_help="Say what an opening needs, from what calls cost.")
@click.option(
    "--candidates",
    type=click.IntRange(1, 100_000_000),
    default=DEFAULT_QUESTION.candidates,
    show_default=True,
    help="Who enrolls in the whole session.",
)
@click.option(
    "--first-minutes",
    type=click.FloatRange(0, 24 * 60, min_open=True),
    default=DEFAULT_QUESTION.first_minutes,
    show_default=True,
    help="How long the first minutes are.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=DEFAULT_QUESTION.share,
    show_default=True,
    help="The share of candidates who come in them.",
)
@click.option(
    "--figures",
    type=FILE,
    default=DEFAULT_FIGURES,
    show_default=True,
    help="What calls cost, as `make capacity` has measured it.",
)
@click.option(
    "--page",
    type=FILE,
    help="Write into this page, between its markers, instead of printing.",
)
def capacity(
    *, candidates: int, first_minutes: float, share: float, figures: Path, page: Path | None
) -> None:
    """Say how many processes and which database an opening needs, as Markdown.

    The arithmetic is shown. docs/capacity.md is its answer for 300,000 candidates, and says what
    the figures do not know.
    """
    question = Question(candidates, first_minutes, share)
    try:
        answer = markdown(question, read_figures(figures))
        if page is None:
            click.echo(answer, nl=False)
        else:
            page.write_text(insert(page.read_text("utf-8"), answer), encoding="utf-8")
    except (FiguresError, NoMarkers, OSError) as error:
        raise click.ClickException(str(error)) from error
