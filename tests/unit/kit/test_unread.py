"""Who takes no answers: judged from counts alone."""

import asyncio
from ipaddress import ip_address, ip_network

import pytest
from zikao_kit.first_calls import FIRST_CALLS
from zikao_kit.own_sockets import Counts, Peer
from zikao_kit.unread import ALIKE, FEW_ANSWERS, MANY_ANSWERS, TAKEN_BYTES, Unread

HEADERS = Counts(taken=6_000, come=20_000)
CALLER = Peer(ip_address("10.0.0.1"), 1)
ADDRESS = ip_address("10.0.0.3")
SHARED = [ip_network("10.0.0.0/29")]


def asked(unread: Unread, peer: Peer, answers: int) -> None:
    """So many answers wait for it."""
    for _ in range(answers):
        unread.begin(peer.in_grpc)


def crowd(count: int) -> list[Peer]:
    """So many connections of an address."""
    return [Peer(ADDRESS, port) for port in range(1, count + 1)]


@pytest.mark.parametrize(
    ("first", "then", "let_go"),
    [
        (HEADERS, HEADERS, [CALLER]),
        (HEADERS, Counts(6_000, 20_000, on_its_way=True), []),
        (Counts(6_000, 20_000, on_its_way=True), HEADERS, [CALLER]),
        (HEADERS, Counts(TAKEN_BYTES, 20_000), []),
    ],
)
def test_who_takes_none_of_many_answers_is_let_go_at_the_second_look(
    first: Counts, then: Counts, let_go: list[Peer]
) -> None:
    """Not while the line has something on its way, nor when more went out than windows hold."""
    unread = Unread()
    asked(unread, CALLER, MANY_ANSWERS)
    assert unread.look([(CALLER, first)]) == []
    assert unread.has_suspects
    assert unread.look([(CALLER, then)]) == let_go


def test_one_answer_that_has_gone_out_clears_its_connection() -> None:
    """For good: its reader has windows, and is slow at most."""
    unread = Unread()
    asked(unread, CALLER, MANY_ANSWERS + 1)
    unread.look([(CALLER, HEADERS)])
    unread.end(CALLER.in_grpc, is_taken=True)
    asked(unread, CALLER, 10 * MANY_ANSWERS)
    for _ in range(5):
        assert unread.look([(CALLER, HEADERS)]) == []
    assert not unread.has_suspects


def test_an_answer_whose_deadline_has_passed_clears_nobody() -> None:
    """It was not taken; nor does it wait any longer."""
    unread = Unread()
    asked(unread, CALLER, MANY_ANSWERS + 1)
    unread.look([(CALLER, HEADERS)])
    unread.end(CALLER.in_grpc, is_taken=False)
    assert unread.look([(CALLER, HEADERS)]) == [CALLER]
    for _ in range(MANY_ANSWERS):
        unread.end(CALLER.in_grpc, is_taken=False)
    unread.look([(CALLER, HEADERS)])
    assert unread.look([(CALLER, HEADERS)]) == []


async def test_calls_that_wait_to_begin_count_with_the_answers() -> None:
    """Of a connection that has some answers; those alone prove nothing."""
    unread = Unread()
    few = FEW_ANSWERS + FIRST_CALLS + MANY_ANSWERS
    calls = [asyncio.ensure_future(unread.first_calls.enter(CALLER.in_grpc)) for _ in range(few)]
    await asyncio.sleep(0)
    for _ in range(2):
        assert unread.look([(CALLER, HEADERS)]) == []
    asked(unread, CALLER, FEW_ANSWERS)
    assert unread.look([(CALLER, HEADERS)]) == []
    assert unread.look([(CALLER, HEADERS)]) == [CALLER]
    unread.end(CALLER.in_grpc, is_taken=True)
    await asyncio.gather(*calls)


async def test_an_answer_that_nobody_took_makes_room_for_one_call() -> None:
    """As any other call that ends; one that has gone out for all."""
    unread = Unread()
    enter = unread.first_calls.enter
    calls = [asyncio.ensure_future(enter(CALLER.in_grpc)) for _ in range(FIRST_CALLS + 5)]
    asked(unread, CALLER, 2)
    await asyncio.sleep(0)
    unread.end(CALLER.in_grpc, is_taken=False)
    assert unread.first_calls.waiting(CALLER.in_grpc) == 4
    assert not unread.has_taken(CALLER.in_grpc)
    unread.end(CALLER.in_grpc, is_taken=True)
    assert unread.first_calls.waiting(CALLER.in_grpc) == 0
    assert unread.has_taken(CALLER.in_grpc)
    await asyncio.gather(*calls)


def test_only_who_is_new_among_the_suspects_is_looked_at_again_soon() -> None:
    """A line that is slow stays so."""
    unread, other = Unread(), Peer(ip_address("10.0.0.2"), 1)
    on_its_way = Counts(6_000, 20_000, on_its_way=True)
    look = [(CALLER, on_its_way), (other, on_its_way)]
    asked(unread, CALLER, FEW_ANSWERS)
    seen = []
    for _ in range(2):
        unread.look(look)
        seen.append((unread.has_suspects, unread.has_new_suspects))
    asked(unread, other, FEW_ANSWERS)
    unread.look(look)
    seen.append((unread.has_suspects, unread.has_new_suspects))
    assert seen == [(True, True), (True, False), (True, True)]


def test_few_answers_that_wait_prove_nothing() -> None:
    """Of one connection."""
    unread = Unread()
    asked(unread, CALLER, MANY_ANSWERS - 1)
    for _ in range(5):
        assert unread.look([(CALLER, HEADERS)]) == []


def test_an_address_of_which_several_take_nothing_loses_all_connections() -> None:
    """Also those that have no answer yet: each is one more of the same."""
    unread, (*several, late) = Unread(), crowd(9)
    for peer in several:
        asked(unread, peer, FEW_ANSWERS)
    asked(unread, CALLER, FEW_ANSWERS)
    look = [(peer, HEADERS) for peer in (CALLER, *several, late)]
    assert unread.look(look) == []
    assert unread.look(look) == [*several, late]


def test_an_address_from_which_somebody_takes_answers_keeps_its_connections() -> None:
    """All but those that have many themselves."""
    unread, (honest, many, *several) = Unread(), crowd(10)
    asked(unread, honest, 1)
    unread.end(honest.in_grpc, is_taken=True)
    asked(unread, many, MANY_ANSWERS)
    for peer in several:
        asked(unread, peer, FEW_ANSWERS)
    look = [(peer, HEADERS) for peer in (honest, many, *several)]
    unread.look(look)
    assert unread.look(look) == [many]


def test_who_takes_a_stream_keeps_the_connections_of_its_address() -> None:
    """No answer of a stream is counted here: what has gone out is."""
    unread, (streaming, *several) = Unread(), crowd(9)
    for peer in several:
        asked(unread, peer, FEW_ANSWERS)
    look = [(streaming, Counts(TAKEN_BYTES, 20_000)), *((peer, HEADERS) for peer in several)]
    unread.look(look)
    assert unread.look(look) == []


@pytest.mark.parametrize(("connections", "answers"), [(ALIKE - 1, MANY_ANSWERS - 1), (ALIKE, 4)])
def test_an_address_needs_several_and_many(connections: int, answers: int) -> None:
    """Connections that take nothing, and answers that wait."""
    unread, few = Unread(), crowd(connections)
    for peer in few:
        asked(unread, peer, answers)
    look = [(peer, HEADERS) for peer in few]
    unread.look(look)
    assert unread.look(look) == []


def test_behind_a_shared_address_each_answers_for_itself() -> None:
    """Others there are others."""
    unread, (many, *several) = Unread(), crowd(10)
    asked(unread, many, MANY_ANSWERS)
    for peer in several:
        asked(unread, peer, FEW_ANSWERS)
    look = [(peer, HEADERS) for peer in (many, *several)]
    unread.look(look, SHARED)
    assert unread.look(look, SHARED) == [many]


def test_a_port_that_is_used_again_begins_anew() -> None:
    """Neither has it taken anything, nor does anything wait for it."""
    unread = Unread()
    asked(unread, CALLER, MANY_ANSWERS)
    unread.end(CALLER.in_grpc, is_taken=True)
    unread.look([])
    asked(unread, CALLER, MANY_ANSWERS)
    unread.look([(CALLER, HEADERS)])
    assert unread.look([(CALLER, HEADERS)]) == [CALLER]


def test_a_newcomer_with_some_answers_is_worth_a_look() -> None:
    """Not who has taken any, nor again before the look."""
    unread = Unread()
    asked(unread, CALLER, FEW_ANSWERS - 1)
    assert not unread.alarm.is_set()
    asked(unread, CALLER, 1)
    assert unread.alarm.is_set()
    unread.look([(CALLER, HEADERS)])
    assert not unread.alarm.is_set()
    for _ in range(FEW_ANSWERS):
        unread.end(CALLER.in_grpc, is_taken=True)
    asked(unread, CALLER, FEW_ANSWERS)
    assert not unread.alarm.is_set()
