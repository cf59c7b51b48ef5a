"""How candidates with seats pay: promptly, twice, late, never, or a wrong amount."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import enrollment_service_pb2_grpc as enrollment_grpc
from zikao.sandbox.v1 import sandbox_service_pb2 as sandbox
from zikao.sandbox.v1 import sandbox_service_pb2_grpc as sandbox_grpc
from zikao_client import CallFailed, patiently

from zikao_ctl.rush import records
from zikao_ctl.rush.submissions import Submission
from zikao_ctl.rush.ticking import Ticker

PATIENCE_SECONDS = 30.0
WRONG_BY_FEN = 100


@dataclass
class Payers:
    """Those who pay, each in a task of its own; `codes` of the late ones wait for `pay_late`.

    `outcomes` counts what people did by their part, and under `failed` who could not.
    """

    enrollment: enrollment_grpc.EnrollmentServiceAsyncStub
    sandbox: sandbox_grpc.SandboxServiceAsyncStub
    ticker: Ticker
    outcomes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    _late_codes: list[str] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def begin(self, submission: Submission) -> None:
        """Have somebody who got seats go on as planned."""
        if submission.candidate.pays:
            self._start(self._pay(submission))

    async def finish(self) -> None:
        """Wait for all who are about to pay."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def pay_late(self) -> None:
        """Have those pay whose seats have gone back."""
        while self._late_codes:
            await self._guarded(self._take(self._late_codes.pop(), "late", after_close=True))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except CallFailed as failed:
            self.outcomes["failed"] += 1
            self.problems.append(f"{failed.reason}")

    async def _pay(self, submission: Submission) -> None:
        await asyncio.sleep(submission.candidate.pays_after)
        code, role = await self._open(submission), submission.candidate.pays
        match role:
            case "never":
                self.outcomes[role] += 1
            case "late":
                self._late_codes.append(code)
            case "wrong_amount":
                await self._take(code, role, submission.order().fee_fen + WRONG_BY_FEN)
            case "twice":
                await self._take(code, "first_of_two")
                await self._take(code, role)
            case _:
                await self._take(code, role)

    async def _open(self, submission: Submission) -> str:
        request = enrollment.CreatePaymentRequest(
            request_id=str(uuid4()), order_id=submission.order().order_id
        )
        began, metadata = time.monotonic(), submission.metadata
        answer = await patiently(
            lambda: self.enrollment.CreatePayment(request, metadata=metadata), PATIENCE_SECONDS
        )
        self.ticker.latencies.record(records.PAY, time.monotonic() - began)
        return answer.payment_code

    async def _take(
        self, code: str, role: str, amount_fen: int = 0, *, after_close: bool = False
    ) -> None:
        """Have the platform take the money, as a candidate's bank does."""
        request = sandbox.PayOrderRequest(
            request_id=str(uuid4()),
            payment_code=code,
            amount_fen=amount_fen,
            after_close=after_close,
        )
        await patiently(lambda: self.sandbox.PayOrder(request), PATIENCE_SECONDS)
        self.outcomes[role] += 1
        self.ticker.counts["paid"] += 1


def stubs(
    service: grpc.aio.Channel, platform: grpc.aio.Channel
) -> tuple[enrollment_grpc.EnrollmentServiceAsyncStub, sandbox_grpc.SandboxServiceAsyncStub]:
    """The two that payers call."""
    return (
        enrollment_grpc.EnrollmentServiceStub(service),
        sandbox_grpc.SandboxServiceStub(platform),
    )
