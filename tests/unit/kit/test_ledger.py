"""Who owes what, and who is a flood: judged from counts alone."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from zikao_kit.config import CertFiles, ServerConfig
from zikao_kit.ledger import (
    AT_ONCE,
    FORGIVEN_BYTES_A_SECOND,
    TAKEN_FOR_ONE,
    Ledger,
    Limits,
    Seen,
    Verdict,
)
from zikao_kit.own_sockets import Counts, Peer
from zikao_kit.warden import LOOK_SECONDS

LIMITS = Limits(debt=16_000_000, flood=100_000, debts=40_000_000, connections_each=3)
CONFIG = ServerConfig("127.0.0.1:7101", CertFiles(Path("c"), Path("k"), Path("a")))
A_MINUTE = round(60 / LOOK_SECONDS)
# Of HTTP/2, gRPC and TLS.
FRAMES = 60
HONEST, OTHER = Peer(ip_address("10.0.0.1"), 1), Peer(ip_address("10.0.0.2"), 1)
ABUSER = Peer(ip_address("10.0.0.3"), 1)
SHARED = [ip_network("10.0.0.0/29")]
MUCH, FEW = 200_000, 20_000


def come(*counts: tuple[Peer, int]) -> list[tuple[Peer, Counts]]:
    """As the kernel counts what came of each."""
    return [(peer, Counts(0, each)) for peer, each in counts]


def peers(address: str, count: int) -> list[Peer]:
    """So many connections of an address."""
    return [Peer(ip_address(address), port) for port in range(1, count + 1)]


class Looks:
    """A ledger that looks once a second at connections that go on sending."""

    def __init__(self, limits: Limits = LIMITS, *, is_busy: bool = True, shared: bool = False):
        self.ledger = Ledger(limits, SHARED if shared else ())
        self.seen = Seen()
        self._is_busy = is_busy
        self._sent: dict[Peer, int] = {}

    def after(self, *sent: tuple[Peer, int]) -> Verdict:
        """The verdict when each of those that are connected has sent so much more."""
        self._sent = {peer: self._sent.get(peer, 0) + size for peer, size in sent}
        look = come(*self._sent.items())
        return self.ledger.settle(look, self.seen.take(), 1.0, is_busy=self._is_busy)


def test_what_calls_have_shown_is_owed_by_nobody() -> None:
    """However much it is, also while somebody else is let go."""
    looks = Looks()
    for _ in range(10):
        looks.seen.note(HONEST.in_grpc, 100 * MUCH)
        verdict = looks.after((HONEST, 100 * MUCH), (ABUSER, MUCH))
    assert verdict.owing == [ABUSER]


def test_less_is_borne_of_a_flood_while_there_is_much_to_do() -> None:
    """A few bytes can make much work: then the bound is low, and holds for what was owed before."""
    for is_busy, owing in [(False, []), (True, [ABUSER])]:
        looks = Looks(is_busy=is_busy)
        assert looks.after((ABUSER, MUCH)).owing == []
        assert looks.after((ABUSER, MUCH)).owing == owing


def test_what_grpc_answers_by_itself_is_a_flood_sooner() -> None:
    """Each of the frames is small, and gets its answer: there is no call."""
    for answer_bytes, owing in [(FEW // 20, []), (FEW // 2, [ABUSER])]:
        ledger = Ledger(LIMITS)
        for second in range(1, 4):
            look = [(ABUSER, Counts(second * answer_bytes, second * FEW))]
            verdict = ledger.settle(look, {}, 1.0, is_busy=True)
        assert verdict.owing == owing


def test_who_reads_a_stream_is_no_flood() -> None:
    """It is sent much, asks for little, and each message of it shows something."""
    ledger, seen = Ledger(LIMITS), Seen()
    for second in range(1, 20):
        for _ in range(200):
            seen.note_message(HONEST.in_grpc, 0)
        look = [(HONEST, Counts(second * 100 * FEW, second * FEW))]
        assert ledger.settle(look, seen.take(), 1.0, is_busy=True).owing == []


def test_a_message_under_way_may_be_large() -> None:
    """Of a connection that shows what it sends after a moment, however busy the process is."""
    looks = Looks()
    for _ in range(10):
        assert looks.after((HONEST, 3 * MUCH)).owing == []
        looks.seen.note(HONEST.in_grpc, 3 * MUCH)
        assert looks.after((HONEST, 0)).owing == []


def test_a_call_now_and_then_makes_no_flood_honest() -> None:
    """It has to show some part of what it sends."""
    looks = Looks()
    for _ in range(3):
        looks.seen.note(ABUSER.in_grpc, MUCH // 100)
        verdict = looks.after((ABUSER, MUCH))
    assert verdict.owing == [ABUSER]


def test_what_was_taken_back_has_shown_nothing() -> None:
    """A call that is cancelled at once pays for nothing."""
    looks = Looks()
    for _ in range(2):
        looks.seen.note(ABUSER.in_grpc, MUCH)
        looks.seen.note(ABUSER.in_grpc, -MUCH)
        verdict = looks.after((ABUSER, MUCH))
    assert verdict.owing == [ABUSER]


def test_a_little_is_forgiven_all_the_time() -> None:
    """Pings and settings need no call, and idle connections are no debtors after a day."""
    looks = Looks()
    for _ in range(1000):
        assert looks.after((HONEST, FORGIVEN_BYTES_A_SECOND)).owing == []


def test_who_reads_may_say_so() -> None:
    """A reader's window updates are no debt: they come with what it takes."""
    ledger = Ledger(LIMITS)
    for second in range(1, 10):
        taken = second * 1_000_000_000
        look = [(HONEST, Counts(taken, taken // TAKEN_FOR_ONE))]
        assert ledger.settle(look, {}, 1.0, is_busy=True).owing == []


def test_a_stream_of_small_messages_is_owed_by_nobody() -> None:
    """500 a second of 1 KiB for a minute, while the process has much to do."""
    seen, ledger, sent = Seen(), Ledger(Limits.of(CONFIG)), 0
    seen.note(HONEST.in_grpc, 1024)
    for _ in range(A_MINUTE):
        for _ in range(round(500 * LOOK_SECONDS)):
            seen.note_message(HONEST.in_grpc, 1024)
            sent += 1024 + FRAMES
        look = come((HONEST, sent))
        assert ledger.settle(look, seen.take(), LOOK_SECONDS, is_busy=True).owing == []
        assert ledger.debts == 0


@pytest.mark.parametrize("photo_bytes", [64 * 1024, 300 * 1024, 3 * 1024 * 1024])
def test_who_sends_photos_stays_while_somebody_floods(photo_bytes: int) -> None:
    """Twenty at once over a new connection, whole together after a second and a half."""
    seen, ledger, sent, flood = Seen(), Ledger(Limits.of(CONFIG)), 0, 0
    lost = set()
    for _ in range(10):
        for part in range(8):
            sent += 20 * photo_bytes // 8
            flood += 2_000_000
            if part == 7:
                for _ in range(20):
                    seen.note_message(HONEST.in_grpc, photo_bytes)
            look = come((HONEST, sent), (ABUSER, flood))
            lost |= set(ledger.settle(look, seen.take(), LOOK_SECONDS, is_busy=True).owing)
    assert lost == {ABUSER}


def test_a_large_message_on_its_way_is_borne_whatever_others_do() -> None:
    """Over a slow line it takes long, and nothing of its connection is shown before its end."""
    ledger, sent = Ledger(Limits.of(CONFIG)), 0
    while sent < CONFIG.max_receive_bytes:
        sent += 50_000
        look = come((HONEST, sent), (ABUSER, 100 * MUCH * sent))
        assert HONEST not in ledger.settle(look, {}, LOOK_SECONDS, is_busy=True).owing


def test_a_flood_owes_for_the_connections_that_have_gone() -> None:
    """Whoever comes again and again, and never owes much at once."""
    looks, crowd = Looks(), peers("10.0.0.3", 6)
    verdicts = [looks.after((each, MUCH // 3)).owing for each in crowd]
    assert verdicts[0] == []
    assert verdicts[1:] == [[each] for each in crowd[1:]]


def test_a_flood_of_many_connections_loses_them() -> None:
    """None of them owes much, but for one that has just come."""
    looks, crowd = Looks(), peers("10.0.0.3", 4)
    sizes = [MUCH // 6, MUCH // 3, MUCH // 6, FORGIVEN_BYTES_A_SECOND + 1]
    looks.after(*zip(crowd, sizes, strict=True))
    assert set(looks.after(*zip(crowd, sizes, strict=True)).owing) == set(crowd[:3])


def test_what_comes_at_once_is_a_flood_though_it_has_just_begun() -> None:
    """Several times as much as is borne of one that goes on."""
    assert Looks().after((ABUSER, (AT_ONCE - 1) * LIMITS.flood)).owing == []
    assert Looks().after((ABUSER, (AT_ONCE + 1) * LIMITS.flood)).owing == [ABUSER]


def test_an_address_whose_others_call_is_no_flood() -> None:
    """Then only those go that owe too much themselves."""
    looks, crowd = Looks(), peers("10.0.0.3", 3)
    for _ in range(5):
        looks.seen.note(crowd[0].in_grpc, 10 * MUCH)
        verdict = looks.after((crowd[0], 10 * MUCH), (crowd[1], MUCH // 3), (crowd[2], 10))
    assert verdict.owing == [crowd[1]]


def test_a_shared_address_owes_nothing_itself() -> None:
    """Behind a gateway each connection is somebody else's."""
    looks = Looks(shared=True)
    for each in peers("10.0.0.3", 50):
        assert looks.after((each, MUCH // 3)).owing == []


def test_one_shared_address_of_ipv6_is_not_its_64() -> None:
    """The gateway has one; its neighbours are no gateways."""
    gateway, neighbour = (ip_address(f"2001:db8::{number}") for number in (5, 6))
    ledger = Ledger(LIMITS, [ip_network("2001:db8::5/128")])
    crowd = [*(Peer(gateway, port) for port in range(20)), *(Peer(neighbour, p) for p in range(5))]
    assert ledger.settle(come(*((each, 0) for each in crowd)), {}, 1.0).too_many == crowd[23:]


def test_a_call_long_ago_does_not_speak_for_its_address() -> None:
    """Who is still connected and calls no more is no caller."""
    looks = Looks()
    looks.seen.note(HONEST.in_grpc, 1_000)
    looks.after((HONEST, 1_000))
    assert looks.ledger.callers() == [HONEST]
    for _ in range(20):
        looks.after((HONEST, 0))
    assert looks.ledger.callers() == []


def test_an_address_is_forgiven_in_time() -> None:
    """What it has left behind is less every second."""
    looks, (one, two, three) = Looks(), peers("10.0.0.3", 3)
    for each in (one, two):
        looks.after((each, MUCH // 3))
    for _ in range(20):
        looks.after()
    assert looks.after((three, MUCH // 3)).owing == []
    assert looks.after((three, MUCH // 9)).owing == []


def test_whom_calls_have_shown_much_of_goes_last() -> None:
    """Of all debts together those are let go of first who have shown least, however many."""
    ledger, seen = Ledger(LIMITS), Seen()
    seen.note(HONEST.in_grpc, 20_000_000)
    ledger.settle(come((HONEST, 20_000_000)), seen.take(), 1.0)
    crowd = [(Peer(ip_address(f"10.0.1.{number}"), number), 9_000_000) for number in range(1, 5)]
    seen.note(OTHER.in_grpc, 10**9)
    look = come((HONEST, 32_000_000), (OTHER, 10**9), *crowd)
    verdict = ledger.settle(look, seen.take(), 1.0)
    assert len(verdict.in_all) == 1
    assert HONEST not in verdict.in_all
    assert verdict.owing == []


def test_bystanders_stay_when_others_owe_too_much_in_all() -> None:
    """However little calls have shown of them: nobody is helped by their going."""
    looks, crowd = Looks(is_busy=False), peers("10.0.1.1", 3)
    debtors = [Peer(ip_address(f"10.0.2.{number}"), 1) for number in range(1, 6)]
    looks.seen.note(debtors[0].in_grpc, 10**9)
    looks.after((debtors[0], 10**9), *((each, 100) for each in crowd))
    owed = [(each, 10_000_000) for each in debtors]
    assert len(looks.after(*owed, *((each, 0) for each in crowd)).in_all) == 1


def test_debts_are_bounded_in_all_and_the_largest_goes_first() -> None:
    """Many who owe a little less than one may are as bad as one who owes too much."""
    looks = Looks(is_busy=False)
    debtors = [Peer(ip_address(f"10.0.1.{number}"), number) for number in range(1, 5)]
    owed = [(each, 10_000_000 + 1_000_000 * each.port) for each in debtors]
    assert looks.after(*owed).in_all == [debtors[3]]


def test_an_address_has_so_many_connections() -> None:
    """The youngest are let go; those of others are not counted."""
    crowd = peers("10.0.0.3", 5)
    assert Looks().after((HONEST, 0), *((each, 0) for each in crowd)).too_many == crowd[3:]


def test_an_address_of_ipv6_is_its_64() -> None:
    """Whoever has one has all of them."""
    crowd = [Peer(ip_address(f"2001:db8::{number}"), 1) for number in range(1, 6)]
    stranger = Peer(ip_address("2001:db8:0:1::1"), 1)
    assert Looks().after((stranger, 0), *((each, 0) for each in crowd)).too_many == crowd[3:]


def test_who_has_called_keeps_its_connection() -> None:
    """Of an address that has too many those go who have not, though they are older."""
    looks, crowd = Looks(), peers("10.0.0.3", 6)
    for caller in crowd[3:]:
        looks.seen.note(caller.in_grpc, 1)
    assert looks.after(*((each, 1) for each in crowd)).too_many == crowd[:3]


def test_connections_of_a_shared_address_are_not_counted() -> None:
    """Behind a gateway each may be somebody else's."""
    crowd = peers("10.0.0.3", 50)
    assert Looks(shared=True).after(*((each, 0) for each in crowd)).too_many == []


def test_newcomers_are_told_once() -> None:
    """And again when their port is used again."""
    looks = Looks()
    assert looks.after((HONEST, 1)).newcomers == [HONEST]
    assert looks.after((HONEST, 1), (OTHER, 1)).newcomers == [OTHER]
    assert looks.after((OTHER, 1)).newcomers == []
    assert looks.after((HONEST, 1)).newcomers == [HONEST]


def test_a_connection_that_has_gone_is_forgotten() -> None:
    """A port that is used again begins without a debt; its address keeps it."""
    looks = Looks(is_busy=False)
    looks.after((HONEST, 1_000_000))
    looks.after()
    looks.after((HONEST, 500_000))
    assert 450_000 < looks.ledger.accounts[HONEST].tally.debt < 500_000
    assert looks.ledger.households[HONEST.address].tally.debt > 1_400_000
