"""Candidates whom the feed has not brought yet: registration is asked for them once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from zikao_kit.db import Database
from zikao_kit.errors import UNAVAILABLE, DomainError

from zikao_enrollment.clients import RegistrationClient
from zikao_enrollment.domain.orders import is_not_yet_known
from zikao_enrollment.store import Store

# Who is not approved asks in vain: a crowd of them must not reach registration at once.
MAX_QUESTIONS_AT_ONCE = 8
# Its turn included: those who wait here take the places of candidates who are known.
PATIENCE_SECONDS = 3.0

T = TypeVar("T")


class Newcomers:
    """Does a candidate's work again once registration has told who the candidate is."""

    def __init__(self, db: Database, registration: RegistrationClient) -> None:
        self._db = db
        self._registration = registration
        self._questions = asyncio.Semaphore(MAX_QUESTIONS_AT_ONCE)

    async def with_candidate(self, candidate_id: UUID, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work`; raises what it raises, and UNAVAILABLE when registration does not answer."""
        try:
            return await work()
        except DomainError as error:
            if not is_not_yet_known(error) or not await self._learn(candidate_id):
                raise
        return await work()

    async def _learn(self, candidate_id: UUID) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._questions:
                candidate = await self._registration.candidate(candidate_id)
        except TimeoutError:
            raise DomainError(UNAVAILABLE) from None
        if candidate is None:
            return False
        async with self._db.transaction() as tx:
            await Store(tx).learn_candidate(candidate)
        return True
