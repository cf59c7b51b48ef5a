"""Candidates and their plans: one method a named query of `candidates.sql`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.db import Record, Transaction

from zikao_enrollment.domain.choices import Plan, shared_choice
from zikao_enrollment.domain.orders import Candidate, Standing
from zikao_enrollment.domain.timetable import Track

_TRACKS = {str(track): track for track in Track}


class CandidateStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def find(self, candidate_id: UUID) -> Standing | None:
        """Where a candidate stands, if known."""
        row = await self._tx.fetchrow("find_candidate", candidate_id)
        return _standing(row) if row else None

    async def find_many(self, candidate_ids: Iterable[UUID]) -> dict[UUID, Standing]:
        """The candidates that are known, not locked."""
        rows = await self._tx.fetch("find_candidates", list(candidate_ids))
        return {row["candidate_id"]: _standing(row) for row in rows}

    async def lock(self, candidate_ids: Iterable[UUID]) -> Mapping[UUID, Standing]:
        """The candidates that are known, locked in the order of ids; those alike share one."""
        rows = await self._tx.fetch("lock_candidates", list(candidate_ids))
        found: dict[UUID, Standing] = {}
        for row in rows:
            found.update(dict.fromkeys(row["candidate_ids"], _standing(row)))
        return found

    async def save(self, candidates: Iterable[Candidate]) -> None:
        """Make these the candidates' states; of several for one the last counts."""
        latest = {candidate.candidate_id: candidate for candidate in candidates}
        rows = [_row(latest[candidate_id]) for candidate_id in sorted(latest)]
        await self._tx.execute("save_candidates", *columns(rows, 4))

    async def learn(self, candidate: Candidate) -> None:
        """Store a candidate whom the feed has not brought yet."""
        await self._tx.execute("learn_candidate", *_row(candidate))

    async def save_plan(
        self, session_code: str, candidate_id: UUID, plan: Plan, now: datetime
    ) -> None:
        """Store a plan in place of an earlier one."""
        await self._tx.execute(
            "save_plan",
            session_code,
            candidate_id,
            list(plan.choice.course_codes),
            list(plan.choice.county_codes),
            plan.may_move,
            now,
        )

    async def list_plans(
        self, session_code: str, candidate_ids: Iterable[UUID]
    ) -> dict[UUID, Plan]:
        """Saved plans by candidate."""
        rows = await self._tx.fetch("list_plans", session_code, list(candidate_ids))
        return {row["candidate_id"]: _plan(row) for row in rows}


def _plan(row: Record) -> Plan:
    choice = shared_choice(tuple(row["course_codes"]), tuple(row["county_codes"]))
    return Plan(choice, row["may_move"])


def _standing(row: Record) -> Standing:
    return Standing(_TRACKS[row["track"]], row["standing"], row["standing_reason"])


def _row(candidate: Candidate) -> tuple[object, ...]:
    return (
        candidate.candidate_id,
        candidate.track,
        candidate.standing,
        candidate.standing_reason,
    )
