"""Candidates and their plans: one method a named query of `candidates.sql`."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.db import Record, Transaction

from zikao_enrollment.domain.choices import Choice, Plan
from zikao_enrollment.domain.orders import Candidate
from zikao_enrollment.domain.timetable import Track

_TRACKS = {str(track): track for track in Track}


class CandidateStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def find(self, candidate_id: UUID) -> Candidate | None:
        """The candidate, if known."""
        row = await self._tx.fetchrow("find_candidate", candidate_id)
        return _candidate(row) if row else None

    async def find_many(self, candidate_ids: Iterable[UUID]) -> dict[UUID, Candidate]:
        """The candidates that are known, not locked."""
        rows = await self._tx.fetch("find_candidates", list(candidate_ids))
        return {row["candidate_id"]: _candidate(row) for row in rows}

    async def lock(self, candidate_ids: Iterable[UUID]) -> dict[UUID, Candidate]:
        """The candidates that are known, locked in the order of ids."""
        rows = await self._tx.fetch("lock_candidates", list(candidate_ids))
        return {row["candidate_id"]: _candidate(row) for row in rows}

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
        return {
            row["candidate_id"]: Plan(
                Choice(tuple(row["course_codes"]), tuple(row["county_codes"])), row["may_move"]
            )
            for row in rows
        }


def _candidate(row: Record) -> Candidate:
    candidate_id, track, standing, reason = row
    return Candidate(candidate_id, _TRACKS[track], standing, reason)


def _row(candidate: Candidate) -> tuple[object, ...]:
    return (
        candidate.candidate_id,
        candidate.track,
        candidate.standing,
        candidate.standing_reason,
    )
