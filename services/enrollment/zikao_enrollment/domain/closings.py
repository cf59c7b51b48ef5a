"""What offices have closed for new submissions (DOMAIN section 4, Offices)."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from zikao_kit.errors import DomainError

PREFIX_DIGITS = (2, 4, 6)


class Closed(NamedTuple):
    """A course, or all of them (""), in the counties whose code begins so."""

    county_prefix: str
    course_code: str


Closings = Mapping[Closed, str]
"""The reasons, in Chinese, of all that is closed in a session."""


def closing_error(
    closings: Closings, county_code: str, course_codes: Iterable[str]
) -> DomainError | None:
    """Why nobody may enroll for these courses in this county now, or None.

    COUNTY_UNAVAILABLE, or COURSE_UNAVAILABLE for the first course that is closed there.
    """
    if not closings:
        return None
    if (reason := _reason(closings, county_code, "")) is not None:
        return DomainError("COUNTY_UNAVAILABLE", county_code=county_code, detail=reason)
    for course_code in course_codes:
        if (reason := _reason(closings, county_code, course_code)) is not None:
            return DomainError(
                "COURSE_UNAVAILABLE",
                course_code=course_code,
                county_code=county_code,
                detail=reason,
            )
    return None


def _reason(closings: Closings, county_code: str, course_code: str) -> str | None:
    keys = (Closed(county_code[:digits], course_code) for digits in PREFIX_DIGITS)
    return next((closings[key] for key in keys if key in closings), None)
