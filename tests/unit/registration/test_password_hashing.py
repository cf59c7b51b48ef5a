"""Password hashing: off the loop, bounded, and silent about who exists."""

import asyncio
import os
import sys
import threading
from typing import Any

import pytest
from argon2 import PasswordHasher
from zikao_kit.errors import DomainError
from zikao_registration.password_hashing import (
    HASHING_NICENESS,
    PasswordHashing,
    hashing_threads,
)

QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


async def test_right_and_wrong_passwords() -> None:
    """Only the password that was hashed is right."""
    hashing = PasswordHashing(QUICK)
    stored = await hashing.hash("一个长密码就够了")
    assert stored.startswith("$argon2id$")
    assert await hashing.verify(stored, "一个长密码就够了")
    assert not await hashing.verify(stored, "另一个长密码")
    hashing.close()


async def test_nobody_has_no_password() -> None:
    """Without an account every password is wrong, the filler's own included."""
    hashing = PasswordHashing(QUICK)
    assert not await hashing.verify(None, "no account has this password")
    assert not await hashing.verify("not a hash", "anything")
    hashing.close()


async def test_storm_is_shed() -> None:
    """Beyond the queue's length callers are told to come again."""
    hashing = PasswordHashing(QUICK, max_waiting=4)
    logins = (hashing.verify(None, "p") for _ in range(10))
    answers = await asyncio.gather(*logins, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, DomainError)]
    assert [error.reason for error in refused] == ["OVERLOADED"] * 7
    assert all(error.retry_after for error in refused)
    hashing.close()


async def test_new_accounts_leave_room_for_logins() -> None:
    """However many passwords are to be hashed, logins have three quarters of the queue."""
    hashing = PasswordHashing(QUICK, max_waiting=8)
    new = [hashing.hash("p") for _ in range(20)]
    logins = [hashing.verify(None, "p") for _ in range(6)]
    answers = await asyncio.gather(*new, *logins, return_exceptions=True)
    assert sum(isinstance(answer, DomainError) for answer in answers[:20]) == 18
    assert answers[20:] == [False] * 6
    hashing.close()


async def test_hashing_gives_way() -> None:
    """Its threads have a lower priority than the one that answers calls, where threads have any."""
    seen: list[int] = []

    class Noting(PasswordHasher):
        def hash(self, *args: Any, **options: Any) -> str:
            seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            return super().hash(*args, **options)

    hashing = PasswordHashing(Noting(1, 64, 1))
    seen.clear()  # of the filler, which is made in this thread
    await hashing.hash("p")
    hashing.close()
    own = os.getpriority(os.PRIO_PROCESS, 0)
    expected = max(own, HASHING_NICENESS) if sys.platform == "linux" else own
    assert seen == [expected]


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (4, 2), (64, 4)])
def test_hashing_leaves_cores_to_others(cores: int, threads: int) -> None:
    """Half of them at most, and where there is one, that one."""
    assert hashing_threads(cores) == threads
