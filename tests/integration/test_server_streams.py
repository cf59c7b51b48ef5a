"""A real server against callers that keep calls open: what they can hold, and how long."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.probe import NOW, TOKEN_LIFETIME, Probe, refusal, running_probe
from support.service import until
from zikao.test.v1 import probe_pb2
from zikao_kit.error_table import reason_of

Code = grpc.StatusCode
HOURS = 36_000
OPEN = probe_pb2.OpenRequest()
IN_SCOPE = probe_pb2.CollectRequest(county_code="510104")
# Far more than what a connection takes ahead of its reader.
POUR = probe_pb2.PourRequest(parts=100, part_kib=256)


async def drained(stream: Any) -> None:
    """Read a stream to its end."""
    while await stream.read() is not grpc.aio.EOF:  # type: ignore[attr-defined]
        pass


async def exchange(stub: Any, **options: Any) -> Any:
    """Begin a stream that then waits for its caller."""
    call = stub.Exchange(timeout=HOURS, **options)
    await call.write(probe_pb2.ExchangeRequest(text="a"))
    assert (await call.read()).text == "a"
    return call


async def has_room(stub: Any) -> bool:
    """Whether another stream is let in."""
    try:
        await exchange(stub)
    except grpc.aio.AioRpcError as error:
        if reason_of(error) == "OVERLOADED":
            return False
        raise
    return True


def all_free(probe: Probe, slots: int) -> bool:
    """Whether no slot is held."""
    return probe.server.admission.free_slots == slots


async def test_unread_stream_holds_no_slot_and_is_ended(tmp_path: Path) -> None:
    """Who does not read keeps nobody else waiting, and is let go after a while."""
    settings: dict[str, Any] = {"max_concurrent_calls": 1, "max_write_seconds": 0.5}
    async with running_probe(tmp_path, **settings) as probe, probe.stub() as stub:
        unread = stub.Pour(POUR, timeout=HOURS)
        await until(lambda: "Pour" in probe.servicer.entered)
        await until(lambda: all_free(probe, 1))
        assert "Pour ended" not in probe.servicer.entered
        await stub.Open(OPEN, timeout=5)
        await until(lambda: "Pour ended" in probe.servicer.entered)
        error = await refusal(drained(unread))
    assert (error.code(), reason_of(error)) == (Code.UNAVAILABLE, "UNAVAILABLE")


async def test_a_stream_that_is_read_arrives_whole(tmp_path: Path) -> None:
    """Leaving the slot for every part loses none, and gives each back."""
    settings: dict[str, Any] = {"max_concurrent_calls": 2, "max_streams_per_actor": 2}
    async with running_probe(tmp_path, **settings) as probe, probe.stub() as stub:

        async def pour() -> int:
            return sum([len(part.part) async for part in stub.Pour(POUR, timeout=30)])

        sizes = await asyncio.gather(pour(), pour())
        assert list(sizes) == [100 * 256 * 1024] * 2
        assert all_free(probe, 2)


async def test_a_stream_that_waits_for_its_caller_holds_no_slot(tmp_path: Path) -> None:
    """A caller that sends nothing more keeps nobody else waiting either."""
    async with running_probe(tmp_path, max_concurrent_calls=1) as probe, probe.stub() as stub:
        idle = await exchange(stub)
        await stub.Open(OPEN, timeout=5)
        await idle.write(probe_pb2.ExchangeRequest(text="b"))
        assert (await idle.read()).text == "b"


async def test_hours_of_deadline_are_not_given(tmp_path: Path) -> None:
    """A call of hours ends after the server's own limit, its slot is free again."""
    settings = {"max_call_seconds": 0.2, "max_stream_seconds": 0.3}
    async with running_probe(tmp_path, **settings) as probe, probe.stub() as stub:
        idle = await exchange(stub)
        async with asyncio.timeout(5):
            waiting = stub.Open(probe_pb2.OpenRequest(deed="wait", seconds=600), timeout=HOURS)
            assert reason_of(await refusal(waiting)) == "UNAVAILABLE"
            assert reason_of(await refusal(drained(idle))) == "UNAVAILABLE"
        await until(lambda: all_free(probe, 256))


async def test_streams_are_bounded_of_each_actor(tmp_path: Path) -> None:
    """One person has so many streams at once; others, and the same one later, have theirs."""
    async with running_probe(tmp_path, max_streams_per_actor=1) as probe, probe.stub() as stub:
        first = await exchange(stub)
        refused = stub.Exchange(timeout=5)
        assert reason_of(await refusal(drained(refused))) == "OVERLOADED"
        await exchange(stub, metadata=probe.bearer("candidate"))
        async with probe.stub("enrollment") as other:
            await exchange(other)
        first.cancel()
        async with asyncio.timeout(5):
            while not await has_room(stub):
                await asyncio.sleep(0.01)


async def test_streams_are_bounded_in_all(tmp_path: Path) -> None:
    """Whoever they are of."""
    async with running_probe(tmp_path, max_streams=1) as probe, probe.stub() as stub:
        await exchange(stub)
        async with probe.stub("enrollment") as other:
            assert reason_of(await refusal(drained(other.Exchange(timeout=5)))) == "OVERLOADED"


async def test_what_comes_after_a_login_has_ended_is_not_taken(tmp_path: Path) -> None:
    """Somebody whose login is revoked has nothing more to say in a stream that is open."""
    async with running_probe(tmp_path) as probe, probe.stub() as stub:
        bearer = probe.bearer("county_officer", "510104", login_id="login")
        call = stub.Collect(timeout=30, metadata=bearer)
        await call.write(IN_SCOPE)
        await until(lambda: probe.servicer.collected == 1)
        probe.revoked.add({"login": NOW + TOKEN_LIFETIME})
        await call.write(IN_SCOPE)
        error = await refusal(call)
    assert (reason_of(error), probe.servicer.collected) == ("TOKEN_INVALID", 1)


async def test_what_goes_out_ends_with_the_login(tmp_path: Path) -> None:
    """Nor does such a stream tell more: not even where anyone may call."""
    async with running_probe(tmp_path) as probe, probe.stub() as stub:
        stream = stub.Pour(POUR, timeout=30, metadata=probe.bearer("candidate", login_id="login"))
        await stream.read()
        probe.revoked.add({"login": NOW + TOKEN_LIFETIME})
        assert reason_of(await refusal(drained(stream))) == "TOKEN_INVALID"


async def test_a_stream_ends_with_its_token(tmp_path: Path) -> None:
    """A new call is the way to show the next token."""
    async with running_probe(tmp_path) as probe, probe.stub() as stub:
        call = stub.Collect(timeout=30, metadata=probe.bearer("county_officer", "510104"))
        await call.write(IN_SCOPE)
        await until(lambda: probe.servicer.collected == 1)
        probe.clock.advance(TOKEN_LIFETIME)
        await call.write(IN_SCOPE)
        assert reason_of(await refusal(call)) == "TOKEN_EXPIRED"


async def test_subscriptions_are_bounded_of_each_caller(tmp_path: Path) -> None:
    """One certificate cannot have all subscriptions."""
    subscribe = probe_pb2.SubscribeRequest()
    settings = {"max_public_subscriptions_per_caller": 1}
    async with running_probe(tmp_path, **settings) as probe, probe.stub() as stub:
        await stub.Subscribe(subscribe).read()
        assert reason_of(await refusal(drained(stub.Subscribe(subscribe)))) == "OVERLOADED"
        async with probe.stub("enrollment") as other:
            assert (await other.Subscribe(subscribe).read()).number == 0


async def test_health_watchers_cut_no_feed(tmp_path: Path) -> None:
    """They are counted by themselves, and of each caller."""
    watch = health_pb2.HealthCheckRequest()
    settings = {"max_public_subscriptions": 1, "max_watchers_per_caller": 1}
    async with running_probe(tmp_path, **settings) as probe, probe.channel() as channel:
        health = health_pb2_grpc.HealthStub(channel)
        await health.Watch(watch).read()
        assert (await refusal(drained(health.Watch(watch)))).code() == Code.UNAVAILABLE
        async with probe.channel("enrollment") as other:
            await health_pb2_grpc.HealthStub(other).Watch(watch).read()
        async with probe.stub() as stub:
            assert (await stub.Subscribe(probe_pb2.SubscribeRequest()).read()).number == 0


async def test_calls_of_one_connection_are_bounded(tmp_path: Path) -> None:
    """What is above the limit waits in the client, not here."""
    async with running_probe(tmp_path, max_calls_per_connection=1) as probe, probe.stub() as stub:
        await stub.Open(OPEN, timeout=5)
        wait = probe_pb2.OpenRequest(deed="wait", seconds=0.3)
        calls = [asyncio.ensure_future(stub.Open(wait, timeout=5)) for _ in range(2)]
        await until(lambda: len(probe.servicer.entered) == 2)
        await asyncio.sleep(0.1)
        assert len(probe.servicer.entered) == 2
        await asyncio.gather(*calls)


async def test_no_connection_outlives_its_grace(tmp_path: Path) -> None:
    """What nobody reads is dropped with the connection; a subscription begins anew."""
    settings = {"max_connection_age_seconds": 0.3, "max_stream_seconds": 0.3}
    async with running_probe(tmp_path, **settings) as probe, probe.stub() as stub:
        subscription = stub.Subscribe(probe_pb2.SubscribeRequest())
        async with asyncio.timeout(5):
            assert (await refusal(drained(subscription))).code() == Code.UNAVAILABLE
        await until(lambda: "Subscribe ended" in probe.servicer.entered)
        assert (await stub.Subscribe(probe_pb2.SubscribeRequest()).read()).number == 0
