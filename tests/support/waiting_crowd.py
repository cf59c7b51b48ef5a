"""A crowd before an opening: everybody with some tabs, spread over all processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
from support.enrollment_replicas import Replicas
from support.service import TIMEOUT_SECONDS, until
from zikao.enrollment.v1 import types_pb2 as types
from zikao.enrollment.v1 import waiting_room_service_pb2 as rooms
from zikao_client import patiently
from zikao_client.calls import bearer

_SERVICE = "/zikao.enrollment.v1.WaitingRoomService/"
# Of each process.
AT_ONCE = 64


@dataclass(frozen=True)
class Crowd:
    """Who stands where, and how many were told different numbers, or one with another."""

    numbers: dict[UUID, int]
    duplicates: int
    draw: rooms.GetDrawResponse


async def _call_all(
    served: Replicas, method: str, answer: Any, people: Iterable[tuple[int, UUID]]
) -> list[tuple[UUID, rooms.Place]]:
    """Call for everybody, each process in its turn; what each was told."""
    callers = await served.connect()
    calls = [
        caller.channel.unary_unary(_SERVICE + method, None, answer.FromString) for caller in callers
    ]
    body = rooms.GetPlaceRequest(session_code="22.1").SerializeToString()
    told: list[tuple[UUID, rooms.Place]] = []

    async def ask(index: int, person: UUID) -> None:
        metadata = bearer(served.token_of(person))
        # A busy machine sends some away for a moment.
        answered: Any = await patiently(
            lambda: calls[index % len(calls)](body, metadata=metadata, timeout=TIMEOUT_SECONDS)
        )
        told.append((person, answered.place))

    async def work(mine: Iterator[tuple[int, UUID]]) -> None:
        for index, person in mine:
            await ask(index, person)

    queue = iter(people)
    await asyncio.gather(*(work(queue) for _ in range(AT_ONCE * len(calls))))
    return told


async def join_all(served: Replicas, people: Sequence[UUID], tabs: int) -> int:
    """Everybody comes in with so many tabs, one after the other or at once; how many were told so.

    Tabs of one candidate are at different processes, and their calls are shuffled among a few
    hundred others: some at the same moment, some much later.
    """
    chance = Random(22)
    calls = [
        (place + tab + chance.uniform(0, 300), index + tab, person)
        for index, (place, person) in enumerate(enumerate(people))
        for tab in range(tabs)
    ]
    order = [(index, person) for _, index, person in sorted(calls)]
    told = await _call_all(served, "JoinWaitingRoom", rooms.JoinWaitingRoomResponse, order)
    assert {place.state for _, place in told} == {rooms.PLACE_STATE_WAITING}
    return len(told)


async def drawn_crowd(served: Replicas, people: Sequence[UUID]) -> Crowd:
    """Ask every process for the places of `people`, once each knows the draw."""
    request = rooms.GetDrawRequest(session_code="22.1", track=types.TRACK_SOCIAL)
    callers = await served.connect()
    for index in range(len(callers)):

        async def is_drawn(index: int = index) -> bool:
            ((_, place),) = await _call_all(
                served, "GetPlace", rooms.GetPlaceResponse, [(index, people[0])]
            )
            return bool(place.number)

        await until(is_drawn)
    everywhere = [(index, person) for person in people for index in range(len(callers))]
    told = await _call_all(served, "GetPlace", rooms.GetPlaceResponse, everywhere)
    numbers = {person: place.number for person, place in told}
    duplicates = sum(numbers[person] != place.number for person, place in told)
    duplicates += len(people) - len(set(numbers.values()))
    return Crowd(numbers, duplicates, await callers[0].call(request))


async def places_stored(dsn: str) -> int:
    """How many places the database has."""
    connection = await asyncpg.connect(dsn)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM enrollment.waiting_place")
    finally:
        await connection.close()
    return count
