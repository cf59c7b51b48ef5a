"""Who is enrolled, in an order in which reading can be gone on with."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple, Self
from uuid import UUID

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

from zikao_enrollment.domain.orders import OrderCourse

NOBODY = UUID(int=0)
_CODE = re.compile("[0-9]{6}")
_FEED_CURSOR = re.compile("[0-9]{1,20}-[0-9]{1,20}")


class RosterFilter(NamedTuple):
    """A session's roster of the counties whose code begins so."""

    session_code: str
    county_prefix: str


class RosterEntry(NamedTuple):
    """The confirmed enrollment of one candidate."""

    county_code: str
    candidate_id: UUID
    courses: tuple[OrderCourse, ...]


@dataclass(frozen=True)
class RosterPlace:
    """A place in a roster, after one candidate.

    `as_of` and `feed_cursor` are of the roster's beginning: all that was confirmed before is in
    it, and from there the feed tells what was confirmed since.
    """

    wanted: RosterFilter
    as_of: datetime
    feed_cursor: str
    county_code: str
    candidate_id: UUID

    @classmethod
    def before_all(cls, wanted: RosterFilter, as_of: datetime, feed_cursor: str) -> Self:
        """The place before every candidate of the area."""
        return cls(wanted, as_of, feed_cursor, wanted.county_prefix.ljust(6, "0"), NOBODY)

    def after(self, entries: Sequence[RosterEntry]) -> Self:
        """The place after these entries."""
        if not entries:
            return self
        last = entries[-1]
        return replace(self, county_code=last.county_code, candidate_id=last.candidate_id)

    def __str__(self) -> str:
        """The text for the wire."""
        place = [*self.wanted, self.as_of.isoformat(), self.feed_cursor, self.county_code]
        return urlsafe_b64encode(json.dumps([*place, self.candidate_id.hex]).encode()).decode()

    @classmethod
    def parse(cls, text: str, wanted: RosterFilter) -> Self:
        """Read the text back; raises DomainError INVALID_REQUEST unless it is of this roster."""
        try:
            *filters, as_of, feed_cursor, county_code, candidate_id = json.loads(
                urlsafe_b64decode(text)
            )
            place = cls(
                RosterFilter(*filters),
                datetime.fromisoformat(as_of),
                feed_cursor,
                county_code,
                UUID(candidate_id),
            )
            good = (
                place.wanted == wanted
                and _CODE.fullmatch(county_code)
                and _FEED_CURSOR.fullmatch(feed_cursor)
                and place.as_of.tzinfo
                and place.as_of.astimezone(UTC)  # at the end of the calendar it has none
            )
        except (ValueError, TypeError, AttributeError, OverflowError):
            good = None
        if not good:
            raise DomainError(INVALID_REQUEST, fields=[FieldProblem("cursor", "游标无效")])
        return place


class RosterPage(NamedTuple):
    """Some entries, the place after them, and whether there may be more."""

    entries: Sequence[RosterEntry]
    place: RosterPlace
    more: bool
