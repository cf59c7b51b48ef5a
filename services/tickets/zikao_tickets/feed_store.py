"""The projections of the two feeds, and the photos: one method a named query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.crypto import KeyRing

from zikao_tickets.domain.person import Person, personal_context, photo_context
from zikao_tickets.store import Sql, columns


@dataclass(frozen=True)
class CandidateState:
    """What the candidate feed says of a person."""

    candidate_id: UUID
    ticket_number: str
    county_code: str
    photo_sha256: bytes
    person: Person


@dataclass(frozen=True)
class EnrollmentState:
    """A candidate's whole confirmed enrollment of a session: (slot, course code)."""

    session_code: str
    candidate_id: UUID
    county_code: str
    courses: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Photo:
    """A photo as registration stores it."""

    sha256: bytes
    jpeg: bytes


class FeedStore:
    """Writes what the feeds bring; personal data encrypted."""

    def __init__(self, sql: Sql, keys: KeyRing) -> None:
        self._sql = sql
        self._keys = keys

    async def save_candidates(self, states: Sequence[CandidateState]) -> None:
        """Make these the candidates' states; of several for one person the last counts."""
        latest = {state.candidate_id: state for state in states}
        rows = [
            (
                state.candidate_id,
                state.ticket_number,
                state.county_code,
                self._keys.encrypt(state.person.to_bytes(), personal_context(state.candidate_id)),
                state.photo_sha256,
            )
            for state in latest.values()
        ]
        await self._sql.execute("save_candidates", *columns(rows, 5))

    async def replace_sittings(self, states: Sequence[EnrollmentState]) -> None:
        """Make these the candidates' sittings; of several for one person the last counts."""
        latest = {(state.session_code, state.candidate_id): state for state in states}
        await self._sql.execute("delete_sittings", *columns(list(latest), 2))
        rows = [
            (state.session_code, state.candidate_id, slot, state.county_code, course)
            for state in latest.values()
            for slot, course in state.courses
        ]
        await self._sql.execute("insert_sittings", *columns(rows, 5))

    async def missing_photos(self, after: UUID, limit: int) -> list[UUID]:
        """Candidates with sittings whose photo is not here, by id, after `after`."""
        rows = await self._sql.fetch("list_missing_photos", after, limit)
        return [row["candidate_id"] for row in rows]

    async def save_photos(self, photos: Mapping[UUID, Photo], now: datetime) -> None:
        """Keep photos, encrypted."""
        rows = [
            (owner, photo.sha256, self._keys.encrypt(photo.jpeg, photo_context(owner)))
            for owner, photo in photos.items()
        ]
        await self._sql.execute("save_photos", *columns(rows, 3), now)

    async def save_freshness(self, source: str, as_of: datetime) -> None:
        """Note that everything before `as_of` has been applied."""
        await self._sql.execute("save_freshness", source, as_of)

    async def lag(self, source: str) -> timedelta | None:
        """How old the applied state of a feed is; None before its first message."""
        found: timedelta | None = await self._sql.fetchval("load_feed_lag", source)
        return found
