"""Decodes pictures beside the event loop: few at once, and one of a candidate.

Each takes a core for up to a second. Whoever waits holds a slot of the server, so few may wait:
pictures must not keep anybody from logging in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID

from zikao_kit.admission import overloaded

# A picture of 48 million pixels takes 31 MB while it is reduced, a progressive one 152 MB.
PICTURES_AT_ONCE = 2
MAX_WAITING_PICTURES = 8

T = TypeVar("T")


class Pictures:
    """Runs decoders in threads of its own: one whose caller has gone still holds its thread."""

    def __init__(self, *, max_waiting: int = MAX_WAITING_PICTURES) -> None:
        self._pool = ThreadPoolExecutor(PICTURES_AT_ONCE, thread_name_prefix="picture")
        self._places = PICTURES_AT_ONCE + max_waiting
        self._owners: set[UUID] = set()

    async def decode(self, owner: UUID, decoder: Callable[[bytes], T], original: bytes) -> T:
        """Run `decoder` on a candidate's picture.

        Raises OVERLOADED while another of the candidate is in work, and when too many wait.
        """
        if owner in self._owners or len(self._owners) >= self._places:
            raise overloaded()
        self._owners.add(owner)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, decoder, original)
        finally:
            self._owners.discard(owner)

    def close(self) -> None:
        """End the threads after the pictures in progress."""
        self._pool.shutdown(wait=True, cancel_futures=True)
