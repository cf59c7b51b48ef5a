"""What a real server lets connections begin with that have taken no answer so far."""

import asyncio
import math
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.abused_probe import OPEN, UNTIL_SECONDS, abused, cuts
from support.probe import refusal, running_probe
from support.service import until
from zikao.test.v1 import probe_pb2
from zikao_kit import first_calls, warden
from zikao_kit.first_calls import FIRST_CALLS
from zikao_kit.unread import MANY_ANSWERS

CALLS = 100
REFUSED = probe_pb2.OpenRequest(deed="refuse")
SLOW = probe_pb2.OpenRequest(deed="wait", seconds=3600)


@pytest.fixture(autouse=True)
def _for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits to begin waits for longer than the test."""
    monkeypatch.setattr(first_calls, "MOST_SECONDS", 3600.0)


async def test_of_who_takes_no_answers_few_calls_are_worked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others wait, and others' calls do not."""
    monkeypatch.setattr(warden, "BUSY", math.inf)
    async with running_probe(tmp_path) as probe, abused(probe, "slow_readers", 2) as abuse:
        await until(lambda: len(probe.servicer.entered) >= 2 * FIRST_CALLS, UNTIL_SECONDS)
        await asyncio.sleep(3 * warden.LOOK_SECONDS)
        assert len(probe.servicer.entered) == 2 * FIRST_CALLS
        async with probe.stub() as stub:
            await stub.Open(OPEN, timeout=5)
        assert abuse.deeds.answers["closed"] == 0


async def test_who_takes_no_answers_is_let_go_for_the_calls_that_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One connection, of which fewer answers wait than prove it by themselves."""
    monkeypatch.setattr(warden, "BUSY", -1.0)
    before = cuts("unread")
    assert FIRST_CALLS < MANY_ANSWERS
    async with running_probe(tmp_path) as probe, abused(probe, "slow_readers", 1) as abuse:
        await until(lambda: abuse.deeds.answers["closed"] == 1, UNTIL_SECONDS)
        assert len(probe.servicer.entered) == FIRST_CALLS
    assert cuts("unread") == before + 1


@pytest.mark.parametrize("request_", [OPEN, REFUSED], ids=["answered", "refused"])
async def test_who_asks_much_at_once_is_served(tmp_path: Path, request_: Any) -> None:
    """Whoever takes answers has all begin at once; refusals are taken by everybody."""
    async with running_probe(tmp_path) as probe, probe.stub() as stub:
        calls = (stub.Open(request_, timeout=20) for _ in range(CALLS))
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert len(probe.servicer.entered) == CALLS
        codes = {each.code() for each in ended if isinstance(each, grpc.aio.AioRpcError)}
        assert codes == ({grpc.StatusCode.FAILED_PRECONDITION} if request_ is REFUSED else set())


async def test_calls_whose_time_is_over_make_room(tmp_path: Path) -> None:
    """Those that were worked on, and those that waited: the connection is as new."""
    async with running_probe(tmp_path) as probe, probe.stub() as stub:
        calls = [stub.Open(SLOW, timeout=0.5) for _ in range(2 * FIRST_CALLS)]
        ended = await asyncio.gather(*map(refusal, calls))
        assert {each.code() for each in ended} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        # The server may hear of it a moment later; its answer is the first that is taken.
        await stub.Open(OPEN, timeout=5)
        assert len(probe.servicer.entered) == FIRST_CALLS + 1
        calls = [stub.Open(OPEN, timeout=5) for _ in range(2 * FIRST_CALLS)]
        await asyncio.gather(*calls)


async def test_who_takes_answers_has_as_many_slow_calls_as_it_likes(tmp_path: Path) -> None:
    """For good: what is slow is not the reader."""
    async with running_probe(tmp_path) as probe, probe.stub() as stub:
        await stub.Open(OPEN, timeout=5)
        calls = [stub.Open(SLOW, timeout=20) for _ in range(2 * FIRST_CALLS)]
        await until(lambda: len(probe.servicer.entered) == 1 + len(calls), UNTIL_SECONDS)
        for call in calls:
            call.cancel()
