"""Submissions at their intended times, whatever the service does (an open loop).

Every millisecond what is due is offered: so much as the throttle allows is sent, the rest comes
again after a pause, as does what the service sheds. An attempt's latency counts from its intended
time, a journey's from the candidate's first one.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import grpc
from zikao_client.calls import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from zikao_client.throttle import Throttle
from zikao_kit.context import TIMEOUT_KEY
from zikao_kit.error_table import reason_in_text
from zikao_kit.errors import NOT_NOW, OVERLOADED, UNAVAILABLE

from zikao_ctl.rush import records
from zikao_ctl.rush.submissions import ACCEPTED, OPEN, REFUSED, Submission
from zikao_ctl.rush.ticking import Ticker

STEP_SECONDS = 0.001
CALL_SECONDS = 5.0
# Later than that it would be another load than the one intended.
MOST_LATE_SECONDS = 1.0
MOST_IN_FLIGHT = 12_000
PASS_REASONS = frozenset({"ADMISSION_PASS_NEEDED", "ADMISSION_PASS_INVALID"})
# As the client of the house says it: the service tells by it how long a call has waited unseen.
_TIMEOUT = (TIMEOUT_KEY, str(round(CALL_SECONDS * 1000)))
_OK = grpc.StatusCode.OK
_UNCERTAIN = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
    }
)

OnSubmission = Callable[[Submission], None]


@dataclass(frozen=True)
class Rules:
    """How callers behave: within `patience_seconds`; `throttled` is what the contract asks for."""

    patience_seconds: float
    throttled: bool = True


class Sender:
    """Sends on several channels of one process."""

    def __init__(
        self,
        channels: Sequence[grpc.aio.Channel],
        ticker: Ticker,
        rules: Rules,
        on_accepted: OnSubmission = lambda _: None,
        on_pass_needed: OnSubmission = lambda _: None,
    ) -> None:
        self._calls = _Methods(channels)
        self._ticker = ticker
        self._rules = rules
        self._on_accepted = on_accepted
        self._on_pass_needed = on_pass_needed
        self._throttle = Throttle()
        self._due: list[tuple[float, int, Submission]] = []
        self._order = count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._answered = self._shed = 0

    def add(self, at: float, submission: Submission) -> None:
        """Intend a submission for a monotonic time, whose journey begins then."""
        submission.began = at
        self._push(at, submission)

    def add_again(self, at: float, submission: Submission) -> None:
        """Intend another attempt of a journey that has begun."""
        self._push(at, submission)

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._tasks)

    async def run(self, until: Callable[[float], bool]) -> None:
        """Send what is due until `until` says so, of the monotonic time."""
        while not until(now := time.monotonic()):
            self.step(now)
            await asyncio.sleep(STEP_SECONDS)

    def step(self, now: float) -> None:
        """Offer all that is due."""
        self._tell_throttle()
        due = self._pop_due(now)
        if due:
            self._offer(now, due)
        self._ticker.in_flight = len(self._tasks)
        self._ticker.advance(now)

    def forget_due(self) -> list[Submission]:
        """Give up what is still to come again: the load has ended."""
        left = [submission for _, _, submission in self._due]
        self._due.clear()
        return left

    async def drain(self) -> None:
        """Wait for the answers to all that was sent."""
        while self._tasks:
            self.step(time.monotonic())
            await asyncio.sleep(STEP_SECONDS)

    def _push(self, at: float, submission: Submission) -> None:
        heapq.heappush(self._due, (at, next(self._order), submission))

    def _pop_due(self, now: float) -> list[tuple[float, Submission]]:
        due = []
        while self._due and self._due[0][0] <= now:
            at, _, submission = heapq.heappop(self._due)
            due.append((at, submission))
        if due:
            # The one that has waited longest: the others are not as late.
            self._ticker.late(now - due[0][0])
        return due

    def _tell_throttle(self) -> None:
        # Once a step: telling it of every answer would cost as much as the answer.
        if self._answered:
            self._throttle.accepted(self._answered)
        if self._shed:
            self._throttle.shed(self._shed)
        self._answered = self._shed = 0

    def _offer(self, now: float, due: Sequence[tuple[float, Submission]]) -> None:
        counts = self._ticker.counts
        counts["offered"] += len(due)
        due = [each for each in due if not self._park(each[1])]
        in_time = [each for each in due if now - each[0] <= MOST_LATE_SECONDS]
        in_time = in_time[: max(0, MOST_IN_FLIGHT - len(self._tasks))]
        if len(in_time) < len(due):
            counts["dropped"] += len(due) - len(in_time)
            taken = {id(each[1]) for each in in_time}
            for _, submission in due:
                if id(submission) not in taken:
                    self._begin(submission)
                    self._come_again(now, submission, 0.0)
        allowed = self._throttle.allow(len(in_time)) if self._rules.throttled else len(in_time)
        counts["held_back"] += len(in_time) - allowed
        counts["sent"] += allowed
        for at, submission in in_time[:allowed]:
            self._send(at, submission)
        for _, submission in in_time[allowed:]:
            self._begin(submission)
            self._come_again(now, submission, 0.0)

    def admit(self, submission: Submission, admission_pass: str) -> None:
        """Somebody's turn has come: who wants to submit already does it now."""
        submission.admit(admission_pass)
        if submission.parked:
            submission.parked = False
            self._push(time.monotonic(), submission)

    def _park(self, submission: Submission) -> bool:
        """Keep somebody who has no pass until it comes."""
        if submission.needs_pass:
            self._begin(submission)
            submission.parked = True
            self._ticker.counts["held_back"] += 1
        return submission.parked

    def _begin(self, submission: Submission) -> None:
        if not submission.tries:
            self._ticker.waiting += 1
        submission.tries += 1

    def _send(self, at: float, submission: Submission) -> None:
        self._begin(submission)
        task = asyncio.get_running_loop().create_task(self._attempt(at, submission))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attempt(self, at: float, submission: Submission) -> None:
        call = self._calls.next(submission.method)(
            submission.request, timeout=CALL_SECONDS, metadata=(*submission.metadata, _TIMEOUT)
        )
        # Unlike awaiting the call it raises nothing, which costs less.
        code = await call.code()
        now = time.monotonic()
        if code is _OK:
            submission.answer = await call
            self._accepted(at, now, submission)
            return
        reason = reason_in(code, await call.details())
        if reason in PASS_REASONS:
            # It has expired: whoever watches the places gets another one.
            self._ticker.counts["shed"] += 1
            self._answered += 1
            submission.needs_pass = submission.parked = True
            self._on_pass_needed(submission)
        elif reason in NOT_NOW:
            pushback = await call.trailing_metadata()
            self._not_now(now, submission, reason, asked_seconds(pushback))
        else:
            self._refused(now, submission, reason)

    def _accepted(self, at: float, now: float, submission: Submission) -> None:
        self._answered += 1
        self._ticker.counts["accepted"] += 1
        self._ticker.latencies.record(records.SUBMIT, now - at)
        self._finish(now, submission, ACCEPTED)
        self._on_accepted(submission)

    def _refused(self, now: float, submission: Submission, reason: str) -> None:
        self._answered += 1
        self._ticker.counts["refused"] += 1
        submission.reason = reason
        self._finish(now, submission, REFUSED)

    def _finish(self, now: float, submission: Submission, outcome: str) -> None:
        self._ticker.latencies.record(records.JOURNEY, now - submission.began)
        self._ticker.waiting -= 1
        submission.outcome, submission.doubtful = outcome, False
        submission.answered = now

    def _not_now(self, now: float, submission: Submission, reason: str, asked: float) -> None:
        self._shed += 1
        is_shed = reason == OVERLOADED
        self._ticker.counts["shed" if is_shed else "doubtful"] += 1
        # A refusal took nothing, but the attempt before it may have.
        submission.doubtful = submission.doubtful or not is_shed
        self._come_again(now, submission, asked)

    def _come_again(self, now: float, submission: Submission, asked: float) -> None:
        pause = submission.pause or FIRST_PAUSE_SECONDS
        submission.pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        at = now + max(asked, pause * random.uniform(0.5, 1))  # noqa: S311 - spreads load
        if at - submission.began <= self._rules.patience_seconds or submission.doubtful:
            self._push(at, submission)
        elif submission.outcome == OPEN:
            self._ticker.waiting -= 1
            submission.reason = "GAVE_UP"


class _Methods:
    """Calls of raw bytes, on one channel after the other."""

    def __init__(self, channels: Sequence[grpc.aio.Channel]) -> None:
        self._channels = channels
        self._turn = 0
        self._made: dict[str, list[Any]] = {}

    def next(self, method: str) -> Any:
        made = self._made.get(method)
        if made is None:
            made = [channel.unary_unary(method, None, None) for channel in self._channels]
            self._made[method] = made
        self._turn = (self._turn + 1) % len(made)
        return made[self._turn]


def reason_in(code: grpc.StatusCode, details: str) -> str:
    """The reason of a refusal, which its text begins with; UNAVAILABLE where nothing is certain.

    What was cancelled, came too late or failed inside may have taken seats all the same.
    """
    if code in _UNCERTAIN:
        return UNAVAILABLE
    without = OVERLOADED if code is grpc.StatusCode.RESOURCE_EXHAUSTED else UNAVAILABLE
    return reason_in_text(details) or without


def asked_seconds(trailing: Any) -> float:
    """The pause that a service asks for; 0 for none."""
    for key, value in trailing or ():
        if key == "grpc-retry-pushback-ms":
            return max(0.0, int(value) / 1000)
    return 0.0
