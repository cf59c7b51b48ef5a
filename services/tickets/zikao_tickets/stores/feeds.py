"""The projections of the two feeds, and the photos; bound to the running transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Transaction

from zikao_tickets.domain.person import personal_context, photo_context
from zikao_tickets.domain.projections import CandidateState, EnrollmentState, Photo


class FeedStore:
    """One method a named query, sittings are replaced by a delete and an insert.

    Personal data is written encrypted.
    """

    def __init__(self, tx: Transaction, keys: KeyRing) -> None:
        self._tx = tx
        self._keys = keys

    async def save_candidates(self, states: Sequence[CandidateState]) -> None:
        """Make these the candidates' states; of several for one person the last counts."""
        latest = {state.candidate_id: state for state in states}
        rows = [
            (
                state.candidate_id,
                state.ticket_number,
                self._keys.encrypt(state.person.to_bytes(), personal_context(state.candidate_id)),
                state.photo_sha256,
            )
            for state in latest.values()
        ]
        await self._tx.execute("save_candidates", *columns(rows, 4))

    async def replace_sittings(self, states: Sequence[EnrollmentState]) -> None:
        """Make these the candidates' sittings; of several for one person the last counts."""
        latest = {(state.session_code, state.candidate_id): state for state in states}
        await self._tx.execute("delete_sittings", *columns(list(latest), 2))
        rows = [
            (state.session_code, state.candidate_id, slot, state.county_code, course)
            for state in latest.values()
            for slot, course in state.courses
        ]
        await self._tx.execute("insert_sittings", *columns(rows, 5))

    async def position(self) -> str:
        """How far the feeds have come; equal texts: nothing has come in between."""
        return str(await self._tx.fetchval("load_feed_position"))

    async def take_missing_photos(self, again_after: timedelta, limit: int) -> list[UUID]:
        """Candidates with sittings whose photo is not here and was not asked for lately."""
        rows = await self._tx.fetch("take_missing_photos", again_after, limit)
        return [row["candidate_id"] for row in rows]

    async def save_photos(self, photos: Mapping[UUID, Photo], now: datetime) -> None:
        """Keep photos, encrypted."""
        rows = [
            (owner, photo.sha256, self._keys.encrypt(photo.jpeg, photo_context(owner)))
            for owner, photo in photos.items()
        ]
        await self._tx.execute("save_photos", *columns(rows, 3), now)
