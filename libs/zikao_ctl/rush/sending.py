"""Submissions at their intended times, whatever the service does (an open loop).

Every millisecond what is due is offered: so much as the throttle allows is sent, the rest comes
again after a pause, as does what the service sheds. An attempt's latency counts from its intended
time, a journey's from the candidate's first one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import grpc
from zikao_client.calls import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from zikao_client.throttle import Throttle
from zikao_kit.error_table import reason_in_text
from zikao_kit.errors import NOT_NOW, OVERLOADED, UNAVAILABLE

from zikao_ctl.rush import records
from zikao_ctl.rush.agenda import Agenda
from zikao_ctl.rush.connections import Connections
from zikao_ctl.rush.submissions import ACCEPTED, OPEN, REFUSED, Submission
from zikao_ctl.rush.ticking import Ticker

STEP_SECONDS = 0.001
# Later than that it would be another load than the one intended.
MOST_LATE_SECONDS = 1.0
MOST_IN_FLIGHT = 12_000
PASS_REASONS = frozenset({"ADMISSION_PASS_NEEDED", "ADMISSION_PASS_INVALID"})
_CODES = {code.value[0]: code for code in grpc.StatusCode}
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


class Portal:
    """One of the programs that call for candidates: its connections, and its throttle."""

    def __init__(self, connections: Connections, throttle: Throttle | None) -> None:
        """Without a throttle it keeps to nothing."""
        self.connections = connections
        self.answered = self.shed = 0
        self._throttle = throttle

    def allow(self, count: int) -> int:
        """How many of `count` may be sent now."""
        return self._throttle.allow(count) if self._throttle else count

    def tell_throttle(self) -> None:
        """Once a step: telling it of every answer would cost as much as the answer."""
        if self._throttle and self.answered:
            self._throttle.accepted(self.answered)
        if self._throttle and self.shed:
            self._throttle.shed(self.shed)
        self.answered = self.shed = 0


class _Attempt(NamedTuple):
    portal: Portal
    at: float
    submission: Submission


class Sender:
    """Sends for the portals of one process."""

    def __init__(
        self,
        portals: Sequence[Connections],
        ticker: Ticker,
        rules: Rules,
        on_accepted: OnSubmission = lambda _: None,
        on_pass_needed: OnSubmission = lambda _: None,
    ) -> None:
        self._portals = [Portal(each, Throttle() if rules.throttled else None) for each in portals]
        self._ticker = ticker
        self._rules = rules
        self._on_accepted = on_accepted
        self._on_pass_needed = on_pass_needed
        self._due: Agenda[Submission] = Agenda()
        self._turns = count()
        self._under_way = 0

    def add(self, at: float, submission: Submission) -> None:
        """Intend a submission for a monotonic time, whose journey begins then."""
        submission.began = at
        submission.portal = next(self._turns) % len(self._portals)
        self._due.add(at, submission)

    def add_again(self, at: float, submission: Submission) -> None:
        """Intend another attempt of a journey that has begun."""
        self._due.add(at, submission)

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._under_way)

    async def run(self, until: Callable[[float], bool]) -> None:
        """Send what is due until `until` says so, of the monotonic time."""
        while not until(now := time.monotonic()):
            self.step(now)
            await asyncio.sleep(STEP_SECONDS)

    def step(self, now: float) -> None:
        """Offer all that is due."""
        for portal in self._portals:
            portal.tell_throttle()
        due = self._due.take(now)
        if due:
            # As the one that has waited longest: the others are not as late.
            self._ticker.late(max(0.0, now - due[0][0]), len(due))
            for _, submission in due:
                self._begin(submission)
            self._offer(now, due)
        self._ticker.in_flight = self._under_way
        self._ticker.advance(now)

    def forget_due(self) -> list[Submission]:
        """Give up what is still to come again: the load has ended."""
        return self._due.clear()

    async def drain(self) -> None:
        """Wait for the answers to all that was sent."""
        while self._under_way:
            self.step(time.monotonic())
            await asyncio.sleep(STEP_SECONDS)

    def _offer(self, now: float, due: Sequence[tuple[float, Submission]]) -> None:
        self._ticker.counts["offered"] += len(due)
        lines: list[list[tuple[float, Submission]]] = [[] for _ in self._portals]
        earliest = now - MOST_LATE_SECONDS
        left = MOST_IN_FLIGHT - self._under_way
        for each in due:
            at, submission = each
            if submission.needs_pass or submission.parked:
                self._park(submission)
            elif at < earliest or left <= 0:
                self._ticker.counts["dropped"] += 1
                self._come_again(now, submission, 0.0)
            else:
                left -= 1
                lines[submission.portal].append(each)
        for portal, line in zip(self._portals, lines, strict=True):
            if line:
                self._offer_by(portal, now, line)

    def _offer_by(
        self, portal: Portal, now: float, due: Sequence[tuple[float, Submission]]
    ) -> None:
        allowed = portal.allow(len(due))
        self._ticker.counts["held_back"] += len(due) - allowed
        self._ticker.counts["sent"] += allowed
        for at, submission in due[:allowed]:
            self._send(portal, at, submission)
        portal.connections.flush()
        for _, submission in due[allowed:]:
            self._come_again(now, submission, 0.0)

    def admit(self, submission: Submission, admission_pass: str) -> None:
        """Somebody's turn has come: who wants to submit already does it now."""
        submission.admit(admission_pass)
        if submission.parked:
            submission.parked = False
            self._due.add(time.monotonic(), submission)

    def _park(self, submission: Submission) -> None:
        """Keep somebody who has no pass until it comes."""
        submission.parked = True
        self._ticker.counts["held_back"] += 1

    def _begin(self, submission: Submission) -> None:
        if not submission.tries:
            self._ticker.waiting += 1
            self._ticker.counts["came"] += 1
        submission.tries += 1

    def _send(self, portal: Portal, at: float, submission: Submission) -> None:
        self._under_way += 1
        head = submission.head(portal.connections.authority)
        ended = partial(self._ended, _Attempt(portal, at, submission))
        portal.connections.send(head, submission.request, ended)

    def _ended(self, attempt: _Attempt, code: int, said: bytes, asked_seconds: float) -> None:
        portal, at, submission = attempt
        self._under_way -= 1
        now = time.monotonic()
        reason = reason_in(_CODES.get(code, grpc.StatusCode.UNKNOWN), said.decode()) if code else ""
        if reason in NOT_NOW:
            portal.shed += 1
            self._not_now(now, submission, reason, asked_seconds)
            return
        portal.answered += 1
        if not code:
            submission.answer = said
            self._accepted(at, now, submission)
        elif reason in PASS_REASONS:
            # It has expired: whoever watches the places gets another one.
            self._ticker.counts["shed"] += 1
            submission.needs_pass = submission.parked = True
            self._on_pass_needed(submission)
        else:
            self._refused(now, submission, reason)

    def _accepted(self, at: float, now: float, submission: Submission) -> None:
        self._ticker.counts["accepted"] += 1
        self._ticker.latencies.record(records.SUBMIT, now - at)
        self._finish(now, submission, ACCEPTED)
        self._on_accepted(submission)

    def _refused(self, now: float, submission: Submission, reason: str) -> None:
        self._ticker.counts["refused"] += 1
        submission.reason = reason
        self._finish(now, submission, REFUSED)

    def _finish(self, now: float, submission: Submission, outcome: str) -> None:
        self._ticker.latencies.record(records.JOURNEY, now - submission.began)
        self._ticker.waiting -= 1
        submission.outcome, submission.doubtful = outcome, False
        submission.answered = now

    def _not_now(self, now: float, submission: Submission, reason: str, asked: float) -> None:
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
            self._due.add(at, submission)
        elif submission.outcome == OPEN:
            self._ticker.waiting -= 1
            submission.reason = "GAVE_UP"


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
