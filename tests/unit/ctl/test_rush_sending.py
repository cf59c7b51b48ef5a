"""The open loop: sent when intended, held back as the throttle says, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from support.secure_server import SecureServer
from zikao_client.throttle import FIRST_BOUND
from zikao_ctl.rush.agenda import SLOTS_A_SECOND
from zikao_ctl.rush.connections import Connections
from zikao_ctl.rush.histograms import merged
from zikao_ctl.rush.people import Candidate
from zikao_ctl.rush.records import Tick
from zikao_ctl.rush.sending import MOST_LATE_SECONDS, Rules, Sender, asked_seconds, reason_in
from zikao_ctl.rush.submissions import ACCEPTED, CALL_SECONDS, OPEN, REFUSED, Submission
from zikao_ctl.rush.ticking import Ticker

UNTHROTTLED = Rules(60.0, throttled=False)
Answer = tuple[grpc.StatusCode, str]
OVERLOADED: Answer = (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
SOLD_OUT: Answer = (grpc.StatusCode.RESOURCE_EXHAUSTED, "SOLD_OUT")
AWAY: Answer = (grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses")
BAD_PASS: Answer = (grpc.StatusCode.FAILED_PRECONDITION, "ADMISSION_PASS_INVALID")
ASKED = (("grpc-retry-pushback-ms", "300"),)


class Service(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Refuses one call after the other as told, then answers all; keeps what each brought."""

    def __init__(self) -> None:
        self.refusals: list[Answer] = []
        self.brought: list[dict[str, Any]] = []
        self.requests: list[bytes] = []

    def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """The same for every method."""
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, context: Any) -> bytes:
        self.requests.append(request)
        self.brought.append(dict(context.invocation_metadata()))
        if self.refusals:
            code, details = self.refusals.pop(0)
            await context.abort(code, details, ASKED)
        return b""


class Bench:
    """A sender before a service, by steps."""

    def __init__(self, portal: Connections, rules: Rules) -> None:
        now = time.monotonic()
        self.ticks: list[Tick] = []
        self.ticker = Ticker(self.ticks.append, now)
        self.sender = Sender([portal], self.ticker, rules)

    def add(self, *submissions: Submission, ago: float = 0.0) -> None:
        """They were intended for so many seconds ago."""
        for each in submissions:
            self.sender.add(time.monotonic() - ago, each)

    async def step(self, after: float = 0.0) -> None:
        """Offer what is due in so many seconds, and wait for the answers."""
        self.sender.step(time.monotonic() + after + 1 / SLOTS_A_SECOND)
        async with asyncio.timeout(10):
            while self.sender.is_busy:
                await asyncio.sleep(0.001)
        self.sender.step(0.0)

    def count(self, name: str) -> int:
        """Counted until now."""
        return sum(tick[name] for tick in self.ticks) + self.ticker.counts[name]  # type: ignore[literal-required]


@pytest_asyncio.fixture
async def listening(tmp_path: Path) -> AsyncIterator[tuple[Service, SecureServer]]:
    """What listens, and where."""
    handler = Service()
    async with SecureServer(tmp_path, handler) as server:
        yield handler, server


@pytest.fixture
def service(listening: tuple[Service, SecureServer]) -> Service:
    """What answers."""
    return listening[0]


@pytest_asyncio.fixture
async def portal(listening: tuple[Service, SecureServer]) -> AsyncIterator[Connections]:
    """The connections of one portal."""
    connections = Connections(listening[1].address, CALL_SECONDS)
    await connections.open(2)
    yield connections
    await connections.close()


def submission() -> Submission:
    """Somebody's."""
    candidate = Candidate(0, uuid4(), 0.0, ("00001",), ("510104",), "enrollment", False, "", 0.0)
    return Submission(candidate, "22.1", (("authorization", "Bearer x"),))


async def test_latency_counts_from_the_intended_time(portal: Connections) -> None:
    """A generator that comes 0.3 s late does not make the service look faster."""
    bench, early, each = Bench(portal, UNTHROTTLED), submission(), submission()
    bench.add(early, ago=-60)
    bench.add(each, ago=0.3)
    bench.add(submission(), ago=0.3)
    await bench.step()
    assert (early.outcome, each.outcome) == (OPEN, ACCEPTED)
    latencies = merged([*(tick["hist"] for tick in bench.ticks), bench.ticker.latencies.take()])
    assert latencies.percentile_ms("submit", 50) >= 299
    assert latencies.percentile_ms("lag", 50) >= 299
    assert latencies.count("lag") == 2, "one for each who was to be sent"


async def test_what_comes_too_late_is_dropped_and_not_sent_now(
    portal: Connections, service: Service
) -> None:
    """It would be another load than the one intended; the candidate comes again all the same."""
    bench, each = Bench(portal, UNTHROTTLED), submission()
    bench.add(each, ago=MOST_LATE_SECONDS + 0.1)
    await bench.step()
    assert (bench.count("offered"), bench.count("dropped"), service.requests) == (1, 1, [])
    await bench.step(0.2)
    assert each.outcome == ACCEPTED


async def test_retries_wait_as_long_as_the_service_asks(
    portal: Connections, service: Service
) -> None:
    """OVERLOADED comes again after the pause, with the same request; SOLD_OUT is the last word."""
    bench, each = Bench(portal, UNTHROTTLED), submission()
    service.refusals = [OVERLOADED, SOLD_OUT]
    bench.add(each)
    await bench.step()
    assert (bench.count("shed"), each.outcome) == (1, OPEN)
    await bench.step(0.15)
    assert len(service.requests) == 1, "not within the 0.3 s that were asked for"
    await bench.step(0.35)
    assert (each.outcome, each.reason) == (REFUSED, "SOLD_OUT")
    assert service.requests == [each.request] * 2
    assert {each["zikao-timeout-ms"] for each in service.brought} == {"5000"}
    assert bench.ticker.waiting == 0


async def test_who_got_no_answer_is_asked_for_again_beyond_all_patience(
    portal: Connections, service: Service
) -> None:
    """Seats may have been taken: that has to be found out, though nobody waits any more."""
    bench, each = Bench(portal, Rules(0.0, throttled=False)), submission()
    service.refusals = [AWAY, OVERLOADED]
    bench.add(each)
    await bench.step()
    assert each.doubtful
    await bench.step(0.4)
    assert each.doubtful, "a refusal says nothing about the attempt before"
    await bench.step(0.4)
    assert (each.outcome, each.doubtful) == (ACCEPTED, False)


async def test_who_is_out_of_patience_gives_up_and_is_counted(
    portal: Connections, service: Service
) -> None:
    """Neither accepted nor refused: such a candidate has no final answer."""
    bench, each = Bench(portal, Rules(0.0, throttled=False)), submission()
    service.refusals = [OVERLOADED]
    bench.add(each)
    await bench.step()
    assert (each.outcome, each.reason, bench.ticker.waiting) == (OPEN, "GAVE_UP", 0)
    await bench.step(0.9)
    assert bench.count("offered") == 1


async def test_what_the_throttle_holds_back_is_offered_and_comes_again(
    portal: Connections, service: Service
) -> None:
    """More than may be under way at once is kept back: it is counted, and none is lost."""
    bench = Bench(portal, Rules(60.0))
    service.refusals = [OVERLOADED] * 5
    people = [submission() for _ in range(FIRST_BOUND + 6)]
    bench.add(*people)
    await bench.step()
    counts = [bench.count(each) for each in ("offered", "sent", "held_back", "shed")]
    assert counts == [FIRST_BOUND + 6, FIRST_BOUND, 6, 5]
    async with asyncio.timeout(10):
        while any(each.outcome == OPEN for each in people):
            await bench.step()
            await asyncio.sleep(0.02)
    assert len(service.requests) == bench.count("sent")
    assert bench.count("offered") == bench.count("sent") + bench.count("held_back")


async def test_without_a_pass_people_wait_for_their_turn_and_then_go_at_once(
    portal: Connections, service: Service
) -> None:
    """Wanting counts when it is wanted; the pass is shown, and a refused one sends them back."""
    bench, each = Bench(portal, UNTHROTTLED), submission()
    service.refusals = [BAD_PASS]
    each.needs_pass = True
    bench.add(each)
    await bench.step()
    assert (bench.count("held_back"), service.requests) == (1, [])
    bench.sender.admit(each, "first")
    await bench.step()
    assert service.brought[0]["zikao-admission-pass"] == "first"
    assert each.parked, "expired: the next pass has to come"
    bench.sender.admit(each, "second")
    await bench.step()
    assert service.brought[1]["zikao-admission-pass"] == "second"
    assert each.outcome == ACCEPTED


def test_reasons_are_read_from_the_text_that_services_give() -> None:
    """Fields may follow; what the transport says is no reason, and a full transport is overload."""
    assert reason_in(*SOLD_OUT) == "SOLD_OUT"
    assert reason_in(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST: a, b") == "INVALID_REQUEST"
    assert reason_in(*AWAY) == "UNAVAILABLE"
    assert reason_in(grpc.StatusCode.CANCELLED, "CANCELLED") == "UNAVAILABLE"
    assert reason_in(grpc.StatusCode.INTERNAL, "INTERNAL") == "UNAVAILABLE"
    assert reason_in(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many streams") == "OVERLOADED"
    assert asked_seconds((("x", "1"), ("grpc-retry-pushback-ms", "1500"))) == 1.5
    assert asked_seconds(None) == 0
