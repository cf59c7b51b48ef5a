"""How to call: with a token, with a request id, and again when the answer is "not now"."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import uuid4

import grpc
from zikao_kit.context import ADMISSION_PASS_KEY
from zikao_kit.error_table import problem_of, sentence_of
from zikao_kit.errors import NOT_NOW, FieldProblem

from zikao_client.throttling import HELD_BACK

PATIENCE_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0

T = TypeVar("T")


class CallFailed(Exception):  # noqa: N818 - it is what happened
    """A service refused a call, or could not be reached for too long.

    `reason` is a name of the contracts' ErrorReason without its prefix, `sentence` what to
    show to people (Chinese), `fields` every bad field, `retry_after` when to come again. `local`:
    the call was never sent, the client's own throttle has held it back.
    """

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        problem = problem_of(error)
        self.code = error.code()
        self.reason = problem.reason
        self.sentence = sentence_of(error)
        self.fields: Sequence[FieldProblem] = problem.fields
        self.metadata: Mapping[str, str] = problem.metadata
        self.retry_after: timedelta | None = problem.retry_after
        self.local = HELD_BACK in problem.metadata
        super().__init__(f"{self.reason}: {self.sentence}")


async def patiently(call: Callable[[], Awaitable[T]], seconds: float = PATIENCE_SECONDS) -> T:
    """Make a call, again while the answer is "not now", for `seconds`; raises CallFailed.

    `call` makes a new call each time, of the same request with the same request id. The pause
    grows, is drawn at random, and is never shorter than the server asks.
    """
    until = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            failed = CallFailed(error)
            asked = failed.retry_after.total_seconds() if failed.retry_after else 0.0
            # Too late to come again at all: the answer is the refusal, now and not by then.
            if failed.reason not in NOT_NOW or time.monotonic() + max(asked, pause) > until:
                raise failed from error
        await asyncio.sleep(max(asked, pause * random.uniform(0.5, 1)))  # noqa: S311 - spreads load
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def bearer(access_token: str, admission_pass: str = "") -> tuple[tuple[str, str], ...]:
    """Metadata of a call in the name of whoever has logged in.

    `admission_pass`: of an admitted place in a waiting room, for calls that need one.
    """
    token = (("authorization", f"Bearer {access_token}"),)
    return (*token, (ADMISSION_PASS_KEY, admission_pass)) if admission_pass else token


def new_request_id() -> str:
    """An id for one mutation: keep it for every repetition of the same request."""
    return str(uuid4())
