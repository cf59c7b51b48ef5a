"""What of sites and sessions stands on tickets, and what is wrong where paper cannot show it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from zikao_kit.errors import FieldProblem

from zikao_tickets.domain.session import Session, Site
from zikao_tickets.domain.site_problems import SiteProblem

LINE = ""
"""The place of a text that takes as many lines as it needs."""


class PrintedText(NamedTuple):
    """A text, and its place on the form of tickets: LINE or as `place_texts` names it."""

    place: str
    text: str


class SiteText(NamedTuple):
    """A text of a site, by the site's place in the list; named in Chinese."""

    site: int
    label: str
    printed: PrintedText


class FieldText(NamedTuple):
    """A text of a request, by its field; named in Chinese."""

    field: str
    label: str
    printed: PrintedText


def site_texts(sites: Sequence[Site]) -> list[SiteText]:
    """Those of all sites, in their order."""
    return [
        SiteText(place, label, PrintedText(box, text))
        for place, site in enumerate(sites)
        for label, box, text in (
            ("区县名称", "county_name", site.county_name),
            ("名称", "site_name-0", site.name),
            ("地址", "site_address-0", site.address),
        )
        if text
    ]


def session_texts(session: Session) -> list[FieldText]:
    """Those that all tickets show, and the names of the courses."""
    return [
        FieldText("session.name", "考次名称", PrintedText(LINE, session.name)),
        *(
            FieldText("session.courses", f"课程{code}名称", PrintedText("course_name-0", name))
            for code, name in session.courses.items()
        ),
        *(
            FieldText("session.notice", "考试须知", PrintedText(LINE, paragraph))
            for paragraph in session.notice.paragraphs
        ),
    ]


def site_text_problems(texts: Sequence[SiteText], found: Sequence[str]) -> Iterator[SiteProblem]:
    """`found` is what is wrong with each text, in Chinese; empty: nothing."""
    for text, problem in zip(texts, found, strict=True):
        if problem:
            yield SiteProblem(text.site, "", f"{text.label}{problem}")


def field_text_problems(texts: Sequence[FieldText], found: Sequence[str]) -> Iterator[FieldProblem]:
    """The same of texts of fields."""
    for text, problem in zip(texts, found, strict=True):
        if problem:
            yield FieldProblem(text.field, f"{text.label}{problem}")
