"""Argon2id in its own small pool: a login storm must not touch anything else.

Each hash takes a core for some 20 ms and 19 MiB by default; half of the cores, at a low priority,
and a bounded queue are what a process gives to passwords, whatever comes. New passwords have a
quarter of the queue and logins the rest: accounts that are made by the thousand keep nobody from
logging in.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zikao_kit.admission import overloaded

MAX_HASHING_THREADS = 4
# 0 to 19; the event loop and the database have 0. No lower: a thread that is hardly run at all
# holds the interpreter's lock for long after its hash.
HASHING_NICENESS = 15
MAX_WAITING_HASHES = 64
NEW_PASSWORDS_SHARE = 4

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """Where one password is looked at."""

    _verify: Callable[[str | None, str], Awaitable[bool]]

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Say whether the password is right.

        Without a hash (no such account) it takes the same time and says no.
        """
        return await self._verify(password_hash, password)


class PasswordHashing:
    """Hashes and verifies off the event loop; raises OVERLOADED when its share is full."""

    def __init__(
        self, hasher: PasswordHasher | None = None, *, max_waiting: int = MAX_WAITING_HASHES
    ) -> None:
        self._hasher = hasher or PasswordHasher()
        self._pool = ThreadPoolExecutor(
            hashing_threads(os.cpu_count() or 1), thread_name_prefix="argon2", initializer=_give_way
        )
        self._new = _Places(max_waiting // NEW_PASSWORDS_SHARE)
        self._logins = _Places(max_waiting - max_waiting // NEW_PASSWORDS_SHARE)
        self._nobody = self._hasher.hash("no account has this password")

    async def hash(self, password: str) -> str:
        """Return the Argon2id hash of a password, with its parameters and salt."""
        with self.new_place() as hash_password:
            return await hash_password(password)

    @contextmanager
    def new_place(self) -> Iterator[Callable[[str], Awaitable[str]]]:
        """A place to hash a new password in, before what must not be done in vain."""
        with self._new.take():
            yield self._hash

    async def _hash(self, password: str) -> str:
        return await self._run(lambda: self._hasher.hash(password))

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A place to verify a password in; it costs nothing before there is one."""
        with self._logins.take():
            yield Place(self._verify)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Take a place, and do as `Place.verify`."""
        with self.place() as place:
            return await place.verify(password_hash, password)

    async def _verify(self, password_hash: str | None, password: str) -> bool:
        stored = password_hash or self._nobody
        matches = await self._run(lambda: self._matches(stored, password))
        return matches and password_hash is not None

    def close(self) -> None:
        """End the threads after the hashes in progress."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def hashing_threads(cores: int) -> int:
    """Half of the cores, one at least: the others are the event loop's and the database's."""
    return max(1, min(MAX_HASHING_THREADS, cores // 2))


def _give_way() -> None:
    """Give this thread the machine's leftovers: a login may wait, an ordinary call should not.

    Linux has priorities of threads; elsewhere it would be the process's.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), HASHING_NICENESS)


class _Places:
    """Room for some hashes, those in work included."""

    def __init__(self, count: int) -> None:
        self._free = count

    @contextmanager
    def take(self) -> Iterator[None]:
        """Take one; raises OVERLOADED when there is none."""
        if self._free <= 0:
            raise overloaded()
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
