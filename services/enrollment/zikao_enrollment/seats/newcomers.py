"""Candidates whom the feed has not brought yet: registration is asked for them once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from zikao_kit.admission import OneAtATime, overloaded
from zikao_kit.db import Database
from zikao_kit.errors import UNAVAILABLE, DomainError

from zikao_enrollment.clients import RegistrationClient
from zikao_enrollment.domain.orders import Candidate, NotYetKnown
from zikao_enrollment.store import Store

# Who is not approved asks in vain: a crowd of them must not reach registration at once.
MAX_QUESTIONS_AT_ONCE = 8
# Those who wait for their turn take the places of candidates who are known: not many, not long.
MAX_WAITING = 32
PATIENCE_SECONDS = 3.0

T = TypeVar("T")


class Newcomers:
    """Does a candidate's work again once registration has told who the candidate is."""

    def __init__(self, db: Database, registration: RegistrationClient) -> None:
        self._db = db
        self._registration = registration
        self._questions = asyncio.Semaphore(MAX_QUESTIONS_AT_ONCE)
        self._waiting = 0
        self._asking = OneAtATime()

    async def with_candidate(self, candidate_id: UUID, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work`.

        Raises what it raises, UNAVAILABLE when registration does not answer, and OVERLOADED
        when many, or the candidate's own call, wait for that already.
        """
        try:
            return await work()
        except NotYetKnown:
            if not await self._learn(candidate_id):
                raise
        return await work()

    async def _learn(self, candidate_id: UUID) -> bool:
        with self._asking.only(candidate_id):
            candidate = await self._ask(candidate_id)
        if candidate is None:
            return False
        async with self._db.transaction() as tx:
            await Store(tx).candidates.learn(candidate)
        return True

    async def _ask(self, candidate_id: UUID) -> Candidate | None:
        if self._waiting >= MAX_WAITING:
            raise overloaded()
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._questions:
                return await self._registration.candidate(candidate_id)
        except TimeoutError:
            raise DomainError(UNAVAILABLE) from None
        finally:
            self._waiting -= 1
