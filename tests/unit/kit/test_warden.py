"""Who owes too much is let go, who comes again and again is not heard: judged without sockets."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

from zikao_kit.config import CertFiles, ServerConfig
from zikao_kit.own_sockets import Counts, Peer
from zikao_kit.warden import (
    CUTS_TO_SHUT_OUT,
    FORGIVEN_BYTES_A_SECOND,
    LOOK_SECONDS,
    MUCH_BYTES_A_SECOND,
    SHUT_OUT_SECONDS,
    TAKEN_FOR_ONE,
    Ledger,
    Limits,
    Seen,
    ShutOut,
    Verdict,
)

LIMITS = Limits(
    debt=16_000_000,
    debt_in_distress=100_000,
    debts=40_000_000,
    connections_each=3,
)
CONFIG = ServerConfig("127.0.0.1:7101", CertFiles(Path("c"), Path("k"), Path("a")))
A_MINUTE = round(60 / LOOK_SECONDS)
# Of HTTP/2, gRPC and TLS.
FRAMES = 60
HONEST, OTHER = Peer(ip_address("10.0.0.1"), 1), Peer(ip_address("10.0.0.2"), 1)
ABUSER = Peer(ip_address("10.0.0.3"), 1)
SHARED = [ip_network("10.0.0.0/29")]
MUCH = 2 * MUCH_BYTES_A_SECOND


def come(*counts: tuple[Peer, int]) -> list[tuple[Peer, Counts]]:
    """As the kernel counts what came of each."""
    return [(peer, Counts(0, each)) for peer, each in counts]


def peers(address: str, count: int) -> list[Peer]:
    """So many connections of an address."""
    return [Peer(ip_address(address), port) for port in range(1, count + 1)]


def after(seen: Seen, looks: Sequence[list[tuple[Peer, Counts]]], **how: bool) -> Verdict:
    """The verdict of the last of so many looks, a second apart."""
    ledger, verdict = Ledger(LIMITS), Verdict()
    for look in looks:
        verdict = ledger.settle(look, seen.take(), 1.0, **how)
    return verdict


def test_what_calls_have_shown_is_owed_by_nobody() -> None:
    """However much it is, also while somebody else is let go."""
    seen = Seen()
    seen.note("ipv4:10.0.0.1:1", 100 * MUCH)
    verdict = after(seen, [come((HONEST, 100 * MUCH), (ABUSER, 200 * MUCH))])
    assert verdict.owing == [ABUSER]


def test_a_message_under_way_may_be_large_while_most_is_seen() -> None:
    """Who sends photos over one connection is let go for it only where nobody else is served."""
    seen = Seen()
    seen.note("ipv4:10.0.0.2:1", 2 * MUCH)
    busy = come((HONEST, MUCH), (OTHER, 2 * MUCH))
    assert after(seen, [busy]).owing == []
    assert after(Seen(), [come((HONEST, MUCH))]).owing == [HONEST]


def test_a_little_is_forgiven_all_the_time() -> None:
    """Pings and settings need no call, and idle connections are no debtors after a day."""
    looks = [come((HONEST, FORGIVEN_BYTES_A_SECOND * second)) for second in range(1, 1000)]
    assert after(Seen(), looks, works_hard=True).owing == []


def test_who_reads_may_say_so() -> None:
    """A reader's window updates are no debt: they come with what it takes."""
    taken = 1_000_000_000
    look = [(HONEST, Counts(taken, taken // TAKEN_FOR_ONE))]
    assert after(Seen(), [look], works_hard=True).owing == []


def test_less_is_borne_while_grpc_works_hard() -> None:
    """A few bytes can make much work: then the bound is low, and holds for what was owed before."""
    look = come((ABUSER, 200_000))
    assert after(Seen(), [look]).owing == []
    assert after(Seen(), [look], works_hard=True).owing == [ABUSER]


def test_a_stream_of_small_messages_is_owed_by_nobody() -> None:
    """500 a second of 1 KiB for a minute, while somebody makes gRPC work hard."""
    seen, ledger, sent = Seen(), Ledger(Limits.of(CONFIG)), 0
    seen.note(HONEST.in_grpc, 1024)
    for _ in range(A_MINUTE):
        for _ in range(round(500 * LOOK_SECONDS)):
            seen.note_message(HONEST.in_grpc, 1024)
            sent += 1024 + FRAMES
        look = come((HONEST, sent))
        assert ledger.settle(look, seen.take(), LOOK_SECONDS, works_hard=True).owing == []
        assert ledger.debts == 0


def test_who_sends_photos_stays_while_somebody_makes_grpc_work() -> None:
    """A hundred at once over a new connection, later more and larger ones; the flood goes."""
    seen, ledger, sent, flood = Seen(), Ledger(Limits.of(CONFIG)), 0, 0
    lost = set()
    for photo_bytes, count in [(64 * 1024, 100), (200 * 1024, 60), (300 * 1024, 80)]:
        for part in range(4):  # all come side by side, and are whole together
            sent += count * photo_bytes // 4
            flood += 6_000_000
            if part == 3:
                for _ in range(count):
                    seen.note_message(HONEST.in_grpc, photo_bytes)
            look = come((HONEST, sent), (ABUSER, flood))
            lost |= set(ledger.settle(look, seen.take(), LOOK_SECONDS, works_hard=True).owing)
    assert lost == {ABUSER}


def test_a_large_message_on_its_way_is_borne_whatever_others_do() -> None:
    """Over a slow line it takes long, and nothing of its connection is shown before its end."""
    ledger, sent = Ledger(Limits.of(CONFIG)), 0
    while sent < CONFIG.max_receive_bytes:
        sent += 50_000
        look = come((HONEST, sent), (ABUSER, 100 * MUCH * sent))
        assert HONEST not in ledger.settle(look, {}, LOOK_SECONDS, works_hard=True).owing


def test_whom_calls_have_shown_much_of_goes_last() -> None:
    """Of all debts together those are let go of first who have shown least, however many."""
    ledger, seen = Ledger(LIMITS), Seen()
    seen.note(HONEST.in_grpc, 20_000_000)
    ledger.settle(come((HONEST, 20_000_000)), seen.take(), 1.0)
    crowd = [(Peer(ip_address(f"10.0.1.{number}"), number), 9_000_000) for number in range(1, 5)]
    seen.note(OTHER.in_grpc, 10**9)
    look = come((HONEST, 32_000_000), (OTHER, 10**9), *crowd)
    owing = ledger.settle(look, seen.take(), 1.0).owing
    assert len(owing) == 1
    assert HONEST not in owing


def test_debts_are_bounded_in_all_and_the_largest_goes_first() -> None:
    """Many who owe a little less than one may are as bad as one who owes too much."""
    seen = Seen()
    seen.note("ipv4:10.0.0.9:1", 10**9)
    debtors = [Peer(ip_address(f"10.0.1.{number}"), number) for number in range(1, 5)]
    owed = [(each, 10_000_000 + 1_000_000 * each.port) for each in debtors]
    look = come((Peer(ip_address("10.0.0.9"), 1), 10**9), *owed)
    assert after(seen, [look]).owing == [debtors[3]]


def test_an_address_has_so_many_connections() -> None:
    """The youngest are let go; those of others are not counted."""
    crowd = peers("10.0.0.3", 5)
    look = come((HONEST, 0), *((each, 0) for each in crowd))
    assert after(Seen(), [look]).too_many == crowd[3:]


def test_an_address_of_ipv6_is_its_64() -> None:
    """Whoever has one has all of them."""
    crowd = [Peer(ip_address(f"2001:db8::{number}"), 1) for number in range(1, 6)]
    look = come((Peer(ip_address("2001:db8:0:1::1"), 1), 0), *((each, 0) for each in crowd))
    assert after(Seen(), [look]).too_many == crowd[3:]


def test_who_has_called_keeps_its_connection() -> None:
    """Of an address that has too many those go who have not, though they are older."""
    seen, crowd = Seen(), peers("10.0.0.3", 6)
    for caller in crowd[3:]:
        seen.note(caller.in_grpc, 1)
    assert after(seen, [come(*((each, 1) for each in crowd))]).too_many == crowd[:3]


def test_connections_of_a_shared_address_are_not_counted() -> None:
    """Behind a gateway each may be somebody else's."""
    ledger = Ledger(LIMITS, SHARED)
    look = come(*((each, 0) for each in peers("10.0.0.3", 50)))
    assert ledger.settle(look, {}, 1.0).too_many == []


def test_connections_that_have_gone_are_forgotten() -> None:
    """A port that is used again begins without a debt."""
    half = come((HONEST, 200_000))
    assert after(Seen(), [half, [], half]).owing == []


def test_who_is_let_go_again_and_again_is_not_heard_for_a_while() -> None:
    """An address that has only such connections; after a while it is heard again."""
    shut_out, crowd = ShutOut(), peers("10.0.0.3", CUTS_TO_SHUT_OUT)
    assert shut_out.judge(crowd[1:], crowd[1:], 0.0) == set()
    assert shut_out.judge(crowd[:1], crowd[:1], 10.0) == {ABUSER.address}
    assert shut_out.judge([], [], 9.0 + SHUT_OUT_SECONDS) == {ABUSER.address}
    assert shut_out.judge([], [], 11.0 + SHUT_OUT_SECONDS) == set()


def test_debtors_of_an_address_add_up_over_a_minute() -> None:
    """One now and then, too: each counts once, however often it is named."""
    shut_out = ShutOut()
    for _ in range(CUTS_TO_SHUT_OUT):
        assert shut_out.judge([ABUSER], [], 0.0) == set()
    others = peers("10.0.0.3", CUTS_TO_SHUT_OUT)[1:]
    judged = [shut_out.judge([each], [], 15.0 * number) for number, each in enumerate(others, 1)]
    assert judged[-2:] == [set(), {ABUSER.address}]


def test_an_address_from_which_somebody_calls_is_heard() -> None:
    """However many others are let go, look after look, and also between two of its calls."""
    shut_out, (caller, *crowd) = ShutOut(), peers("10.0.0.3", 301)
    for look, debtor in enumerate(crowd):
        calls = [caller] if look % 100 == 0 else []
        assert shut_out.judge([debtor], [*calls, debtor], look * 0.5) == set()
    assert shut_out.judge(crowd, [], 300.0) == {ABUSER.address}


def test_debtors_that_have_called_do_not_speak_for_their_address() -> None:
    """A call before the flood makes nobody honest."""
    shut_out, crowd = ShutOut(), peers("10.0.0.3", CUTS_TO_SHUT_OUT)
    assert shut_out.judge([], crowd, 0.0) == set()
    assert shut_out.judge(crowd, crowd, 1.0) == {ABUSER.address}


def test_a_shared_address_is_heard_whatever_comes_from_there() -> None:
    """A gateway that passes connections on is one address for everybody behind it."""
    shut_out = ShutOut(SHARED)
    for look, debtor in enumerate(peers("10.0.0.3", 300)):
        assert shut_out.judge([debtor], [], look * 0.2) == set()


def test_debtors_of_a_64_of_ipv6_count_together() -> None:
    """Each connection from another address of it is no way round."""
    crowd = [Peer(ip_address(f"2001:db8::{number}"), 1) for number in range(CUTS_TO_SHUT_OUT)]
    assert ShutOut().judge(crowd, [], 0.0) == {ip_address("2001:db8::")}


def test_an_address_that_mostly_behaves_is_heard() -> None:
    """Behind a gateway one abuser does not take the others with it."""
    crowd = peers("10.0.0.3", 10 * CUTS_TO_SHUT_OUT)
    assert ShutOut().judge(crowd[:CUTS_TO_SHUT_OUT], crowd, 0.0) == set()
