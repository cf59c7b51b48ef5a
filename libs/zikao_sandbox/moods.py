"""How badly the sandbox's payment platform answers enrollment's calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from zikao_kit.errors import UNAVAILABLE, DomainError

from zikao_sandbox.payment_store import PaymentStore

R = TypeVar("R")


class Moods:
    """As `SetBehaviour` has it; `random_fraction` gives values of 0 up to 1."""

    def __init__(self, store: PaymentStore, random_fraction: Callable[[], float]) -> None:
        self._store = store
        self._random_fraction = random_fraction

    async def answer(self, do: Callable[[], R]) -> R:
        """Do it and answer: late, not at all, or without saying so. UNAVAILABLE."""
        behaviour = self._store.behaviour()
        self._store.spoilt += behaviour.answer_delay_seconds > 0
        await asyncio.sleep(behaviour.answer_delay_seconds * self._random_fraction())
        self._fail_in(behaviour.refused_percent)
        answer = do()
        self._fail_in(behaviour.lost_answers_percent)
        return answer

    def _fail_in(self, percent: int) -> None:
        if self._random_fraction() * 100 < percent:
            self._store.spoilt += 1
            raise DomainError(UNAVAILABLE)
