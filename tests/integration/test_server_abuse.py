"""A real server and abusers of each kind: what they are told, and that others are served.

How many they may be, and what is left to others meanwhile, `make bench-abuse` measures.
"""

import asyncio
import math
import os
import socket
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.abuse import KINDS, Call
from support.abused_probe import (
    CALL,
    OPEN,
    TURN_SECONDS,
    UNTIL_SECONDS,
    abused,
    answered,
    cuts,
    is_heard,
)
from support.abuser import ABUSER, Abuse
from support.memory import MEBIBYTE, resident_mib
from support.probe import SERVICE, Probe, running_probe
from support.service import until
from zikao.test.v1 import probe_pb2_grpc
from zikao_kit import ledger, warden
from zikao_kit.ledger import CALL_BYTES, Account, Ledger, Verdict
from zikao_kit.tls import DevelopmentCa
from zikao_kit.warden import SHUT_OUT

UNENDING = replace(CALL, metadata=())
# So small that an abuser has sent too much within moments.
SETTINGS: dict[str, Any] = {"max_receive_bytes": 256 * 1024}
# A message with a field of 1,024 bytes that nobody knows.
PADDED = b"\x7a\x80\x08" + bytes(1024)
# What comes before any call.
HANDSHAKE_BYTES = 8 * 1024
PROCESS = os.getpid()
MOST_GROWTH_MIB = 64


@pytest.mark.parametrize("kind", ["ping_flood", "window_update_flood", "continuation_flood"])
async def test_who_floods_with_frames_is_let_go(tmp_path: Path, kind: str) -> None:
    """Frames that ask for nothing never reach a call; whoever sends them by the MiB loses both."""
    before = cuts("owing")
    async with running_probe(tmp_path, **SETTINGS) as probe, abused(probe, kind) as abuse:
        await until(lambda: abuse.deeds.answers["closed"] == 2, UNTIL_SECONDS)
    assert cuts("owing") >= before + 1


@pytest.mark.parametrize("kind", ["settings_flood_unread", "ping_flood"])
async def test_who_takes_no_answers_is_not_read_any_more(tmp_path: Path, kind: str) -> None:
    """Or is let go before: either way no more comes of it, and its answers take no memory."""
    async with running_probe(tmp_path) as probe:
        begun = resident_mib(PROCESS)
        async with abused(probe, kind, reads=False) as abuse:
            sent = -1
            async with asyncio.timeout(2 * UNTIL_SECONDS):
                while abuse.deeds.answers["closed"] < 2 and abuse.deeds.deeds > sent:
                    sent = abuse.deeds.deeds
                    await asyncio.sleep(1.0)
            # Not `sent`: it may be let go within the first second.
            assert abuse.deeds.deeds > 1_000
        assert resident_mib(PROCESS) - begun < MOST_GROWTH_MIB


async def test_who_does_not_read_hears_that_it_was_let_go(tmp_path: Path) -> None:
    """The abuser itself: else what it sends to nobody would count as taken."""
    (kind,) = (each for each in KINDS if each.name == "settings_flood_unread")
    kind = replace(kind, connections=1, comes_again=False, pause_seconds=TURN_SECONDS)
    ca = DevelopmentCa(tmp_path)
    released = asyncio.Event()

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Without a reset, and it is read on."""
        await reader.readexactly(1024)
        writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        while not released.is_set() and await reader.read(65_536):
            pass
        writer.transport.abort()

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    files = ca.issue("registration")
    tls.load_cert_chain(files.cert_file, files.key_file)
    tls.set_alpn_protocols(["h2"])
    server = await asyncio.start_server(end, "127.0.0.1", 0, ssl=tls)
    async with server, Abuse(kind, CALL, server.sockets[0].getsockname()[1], files) as abuse:
        await until(lambda: abuse.deeds.answers["closed"] == 1, UNTIL_SECONDS)
        released.set()


@pytest.mark.parametrize("reads", [True, False])
async def test_pings_cost_their_answer_and_no_more(tmp_path: Path, *, reads: bool) -> None:
    """gRPC's own bound of pings makes it copy an ever longer text for each: it is off."""
    async with running_probe(tmp_path) as probe, probe.stub() as stub:
        begun = resident_mib(PROCESS)
        async with abused(probe, "ping_flood", reads=reads) as abuse:
            await until(lambda: abuse.deeds.deeds > 10_000, UNTIL_SECONDS)
            await stub.Open(OPEN, timeout=5)
        assert not any("too_many_pings" in said for said in abuse.deeds.answers)
        assert resident_mib(PROCESS) - begun < MOST_GROWTH_MIB


@pytest.mark.parametrize("kind", ["rapid_reset", "forced_reset"])
async def test_streams_that_are_reset_are_refused_when_they_are_too_many(
    tmp_path: Path, kind: str
) -> None:
    """gRPC refuses them or ends the connection; what was let in goes, and others are served."""
    async with running_probe(tmp_path) as probe, abused(probe, kind) as abuse:
        await answered(abuse, "RST_STREAM", "GOAWAY", "closed")


async def test_a_stream_of_nothing_is_ended(tmp_path: Path) -> None:
    """Empty DATA frames by the dozen end their connection."""
    async with running_probe(tmp_path) as probe, abused(probe, "empty_data_flood") as abuse:
        await until(lambda: abuse.deeds.answers["closed"] == 2, UNTIL_SECONDS)


@pytest.mark.parametrize("kind", ["metadata_1mb", "header_bomb"])
async def test_much_metadata_is_refused(tmp_path: Path, kind: str) -> None:
    """Whether it comes whole or grows on arrival: RESOURCE_EXHAUSTED, before any code of ours."""
    # An answer is lost with its connection where that is reset: then it comes again.
    how: dict[str, Any] = {"pause_seconds": 1.0, "comes_again": True}
    async with running_probe(tmp_path) as probe, abused(probe, kind, 1, **how) as abuse:
        await answered(abuse, "status 8", "RST_STREAM 11")
        assert probe.servicer.entered == []


async def test_a_message_that_says_it_is_huge_is_refused_at_once(tmp_path: Path) -> None:
    """RESOURCE_EXHAUSTED before it comes: no memory is set apart for what is only said."""
    async with running_probe(tmp_path) as probe:
        begun = resident_mib(PROCESS)
        async with abused(probe, "message_1gb", 1) as abuse:
            await answered(abuse, "status 8")
        assert resident_mib(PROCESS) - begun < MOST_GROWTH_MIB


async def test_messages_without_an_end_are_bounded(tmp_path: Path) -> None:
    """What is kept of them is a debt: who owes more than some messages is let go."""
    async with (
        running_probe(tmp_path) as probe,
        abused(probe, "unfinished_messages", 1, UNENDING) as abuse,
    ):
        begun = resident_mib(PROCESS)
        await until(lambda: abuse.deeds.answers["closed"] == 1, UNTIL_SECONDS)
        assert abuse.deeds.bytes_sent < 400 * MEBIBYTE
        assert resident_mib(PROCESS) - begun < 4 * MOST_GROWTH_MIB


async def test_an_address_has_so_many_connections_and_others_have_theirs(tmp_path: Path) -> None:
    """Whoever opens more than that loses the youngest; from elsewhere one is let in."""
    async with (
        running_probe(tmp_path, max_connections_per_address=3) as probe,
        abused(probe, "idle_tls", 8) as abuse,
    ):
        await until(lambda: abuse.deeds.connections == 8, UNTIL_SECONDS)
        await until(lambda: abuse.deeds.answers["closed"] == 5, UNTIL_SECONDS)
        async with probe.stub() as stub:
            await stub.Open(OPEN, timeout=5)


async def test_an_address_that_goes_on_is_not_heard_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connections end and new ones are not made, while others are served; then they are."""
    monkeypatch.setattr(warden, "CUTS_TO_SHUT_OUT", 2)
    judge, passed_seconds = warden.ShutOut.judge, 0.0

    def judge_later(self: warden.ShutOut, cut: Any, peers: Any, now: float) -> Any:
        return judge(self, cut, peers, now + passed_seconds)

    # The while is over when the test has seen it, however slow the machine.
    monkeypatch.setattr(warden.ShutOut, "judge", judge_later)

    async def is_not_heard() -> bool:
        return not await is_heard(probe)

    async with running_probe(tmp_path, **SETTINGS) as probe:
        async with abused(probe, "window_update_flood", 4, comes_again=True) as abuse:
            await answered(abuse, "closed")
            await until(is_not_heard, UNTIL_SECONDS)
        assert await is_not_heard()
        passed_seconds = warden.SHUT_OUT_SECONDS
        await until(lambda: is_heard(probe), UNTIL_SECONDS)


async def test_a_shared_address_loses_its_debtors_and_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a gateway everybody has the abuser's address."""
    monkeypatch.setattr(warden, "CUTS_TO_SHUT_OUT", 1)
    before = cuts("shut out")
    settings = SETTINGS | {"shared_addresses": (f"{ABUSER}/32",)}
    async with (
        running_probe(tmp_path, **settings) as probe,
        abused(probe, "window_update_flood", 2) as abuse,
    ):
        await until(lambda: abuse.deeds.answers["closed"] == 2, UNTIL_SECONDS)
        await until(lambda: is_heard(probe), UNTIL_SECONDS)
    assert cuts("shut out") == before


async def test_an_address_with_too_many_connections_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To have many is no debt: the youngest go, the others stay."""
    monkeypatch.setattr(warden, "CUTS_TO_SHUT_OUT", 1)
    before = cuts("too many"), cuts("shut out")
    async with (
        running_probe(tmp_path, max_connections_per_address=3) as probe,
        abused(probe, "idle_tls", 8) as abuse,
    ):
        await until(lambda: abuse.deeds.answers["closed"] == 5, UNTIL_SECONDS)
        await until(lambda: is_heard(probe), UNTIL_SECONDS)
    assert cuts("too many") >= before[0] + 5
    assert cuts("shut out") == before[1]


async def test_who_connects_too_often_is_not_heard_for_a_moment(tmp_path: Path) -> None:
    """Each new connection costs a handshake; those that there are stay."""
    before = SHUT_OUT.labels("arrivals")._value.get(), cuts("shut out")

    async def is_not_heard() -> bool:
        return not await is_heard(probe)

    async with (
        running_probe(tmp_path, max_new_connections_per_second=1) as probe,
        abused(probe, "idle_tls", 15) as abuse,
    ):
        await until(is_not_heard, UNTIL_SECONDS)
        assert abuse.deeds.answers["closed"] == 0
        await until(lambda: is_heard(probe), 2 * UNTIL_SECONDS)
    assert SHUT_OUT.labels("arrivals")._value.get() > before[0]
    assert cuts("shut out") == before[1]


async def test_who_takes_no_answers_is_let_go_while_there_is_much_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All connections of an address that has several, and it is not heard for a while."""
    monkeypatch.setattr(warden, "BUSY", -1.0)
    before = cuts("unread")

    async def is_not_heard() -> bool:
        return not await is_heard(probe)

    async with running_probe(tmp_path) as probe:
        async with abused(probe, "slow_readers", 6, comes_again=True) as abuse:
            await until(lambda: abuse.deeds.answers["closed"] >= 6, UNTIL_SECONDS)
            await until(is_not_heard, UNTIL_SECONDS)
        assert cuts("unread") >= before + 6


async def test_who_takes_no_answers_is_borne_while_there_is_little_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answers wait until their calls end."""
    # This process has abuser and server in it, and others beside it: it may be busy with them.
    monkeypatch.setattr(warden, "BUSY", math.inf)
    before = cuts("unread")
    async with running_probe(tmp_path) as probe, abused(probe, "slow_readers", 2) as abuse:
        await until(lambda: len(probe.servicer.entered) == 200, UNTIL_SECONDS)
        await asyncio.sleep(3 * warden.LOOK_SECONDS)
        assert abuse.deeds.answers["closed"] == 0
    assert cuts("unread") == before


@pytest.mark.parametrize("at_once", [20, 100])
async def test_who_asks_much_at_once_over_new_connections_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Portals after a restart, again and again, while there is much to do."""
    monkeypatch.setattr(warden, "BUSY", -1.0)
    before = cuts("unread")

    async def portal(probe: Probe) -> None:
        async with probe.stub() as stub:
            await asyncio.gather(*(stub.Open(OPEN, timeout=20) for _ in range(at_once)))

    async with running_probe(tmp_path) as probe:
        for _ in range(5):
            await asyncio.gather(*(portal(probe) for _ in range(6)))
    assert cuts("unread") == before


async def test_silent_connections_are_few_while_there_is_much_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer than an address may make else; those that there are stay."""
    settings = {"max_new_connections_per_second": 10}
    before = cuts("shut out")
    for is_busy in (False, True):
        monkeypatch.setattr(warden, "BUSY", -1.0 if is_busy else 100.0)
        shut_out = SHUT_OUT.labels("arrivals")._value.get()
        async with (
            running_probe(tmp_path, **settings) as probe,
            abused(probe, "idle_tls", 20) as abuse,
        ):
            await until(lambda: abuse.deeds.connections >= 11, UNTIL_SECONDS)
            await asyncio.sleep(3 * warden.LOOK_SECONDS)
            assert (SHUT_OUT.labels("arrivals")._value.get() > shut_out) == is_busy
            assert abuse.deeds.answers["closed"] == 0
            await until(lambda: is_heard(probe), 2 * UNTIL_SECONDS)
    assert cuts("shut out") == before


@pytest.fixture
def ledgers(monkeypatch: pytest.MonkeyPatch) -> list[Ledger]:
    """The server's, from its first look on; in it nothing is forgiven."""
    found: list[Ledger] = []
    settle = Ledger.settle

    def settled(self: Ledger, *what: Any, **how: Any) -> Verdict:
        found[:] = [self]
        return settle(self, *what, **how)

    monkeypatch.setattr(Ledger, "settle", settled)
    monkeypatch.setattr(ledger, "FORGIVEN_BYTES_A_SECOND", 0)
    return found


def accounts(ledgers: list[Ledger]) -> list[Account]:
    """As they were at the last look."""
    return [account for each in ledgers for account in each.accounts.values()]


async def test_what_honest_callers_send_is_shown(tmp_path: Path, ledgers: list[Ledger]) -> None:
    """Calls, and small messages of a stream and its answers: of it all only handshakes are owed."""
    async with running_probe(tmp_path) as probe, probe.channel() as channel:
        stub = probe_pb2_grpc.ProbeServiceStub(channel)
        for _ in range(200):
            await stub.Open(OPEN, timeout=5)
        exchange = channel.stream_stream(SERVICE + "Exchange")
        answers = [each async for each in exchange(iter([PADDED] * 2000), timeout=20)]
        assert len(answers) == 2000
        await until(lambda: sum(each.counts.come for each in accounts(ledgers)) > 2_000_000)
        await until(lambda: all(each.tally.debt < HANDSHAKE_BYTES for each in accounts(ledgers)))


async def test_a_call_shows_no_more_than_it_brings(tmp_path: Path, ledgers: list[Ledger]) -> None:
    """Small ones do not pay for a flood."""
    async with running_probe(tmp_path) as probe, probe.stub() as stub:
        for _ in range(100):
            await stub.Open(OPEN, timeout=5)
        await until(lambda: sum(each.tally.shown for each in accounts(ledgers)) > 100 * CALL_BYTES)
        assert sum(each.tally.shown for each in accounts(ledgers)) < 100 * 2048


async def test_a_call_of_nobody_who_may_shows_nothing(
    tmp_path: Path, ledgers: list[Ledger]
) -> None:
    """Who may not call at all pays for nothing with it."""
    callers = {"zikao.test.v1.ProbeService": ("enrollment",)}
    async with running_probe(tmp_path, callers=callers) as probe, probe.stub() as stub:
        for _ in range(20):
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.Open(OPEN, timeout=5)
        await until(lambda: sum(each.counts.come for each in accounts(ledgers)) > 4096)
        assert sum(each.tally.shown for each in accounts(ledgers)) == 0


@pytest.mark.parametrize("method", ["Open", "Exchange"])
async def test_calls_that_are_taken_back_at_once_show_nothing(
    tmp_path: Path, ledgers: list[Ledger], method: str
) -> None:
    """Also of those that come so far as our code (rapid reset)."""
    call = Call(SERVICE + method, b"", (("grpc-timeout", "20S"),))
    async with running_probe(tmp_path) as probe, abused(probe, "rapid_reset", 1, call) as abuse:
        await until(lambda: abuse.deeds.deeds > 5_000, UNTIL_SECONDS)
        await until(lambda: max((a.tally.debt for a in accounts(ledgers)), default=0) > 100_000)
        assert sum(each.tally.shown for each in accounts(ledgers)) < 10_000


async def test_what_is_refused_has_been_seen(tmp_path: Path, ledgers: list[Ledger]) -> None:
    """A photo without a token came whole: no flood, whatever becomes of the call."""
    async with running_probe(tmp_path) as probe, probe.channel() as channel:
        upload = channel.unary_unary(SERVICE + "Candidate")
        for _ in range(50):
            with pytest.raises(grpc.aio.AioRpcError):
                await upload(bytes(64 * 1024), timeout=5)
        await until(lambda: sum(each.counts.come for each in accounts(ledgers)) > 3_000_000)
        await until(lambda: all(each.tally.debt < HANDSHAKE_BYTES for each in accounts(ledgers)))


async def test_many_calls_are_no_reason_to_be_let_go(tmp_path: Path) -> None:
    """Whatever comes with calls is seen, however much it is: admission sees to those."""
    before = cuts("owing") + cuts("shut out")
    async with running_probe(tmp_path, **SETTINGS) as probe, abused(probe, "lawful_calls") as abuse:
        await until(lambda: len(probe.servicer.entered) > 300, UNTIL_SECONDS)
        assert abuse.deeds.answers["closed"] == 0
    assert cuts("owing") + cuts("shut out") == before
