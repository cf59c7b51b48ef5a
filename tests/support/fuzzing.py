"""Sends a method thousands of requests, and judges the answers by the contract alone.

Some break the contract whatever is in the database (`is_broken`): they must be refused as such
and change nothing. The others may be answered, or refused for a reason that the method lists.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from random import Random
from typing import Any

import grpc
import protovalidate
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from support.contracts import errors_stated
from support.fuzz_bytes import DAMAGES, padded
from support.fuzz_messages import Known, MessageMaker
from support.fuzz_tables import known_in, picture
from support.refusals import note
from support.service import Caller
from zikao_kit import errors
from zikao_kit.config import MAX_MESSAGE_BYTES, MAX_STREAMS_PER_ACTOR
from zikao_kit.error_table import reason_of
from zikao_kit.message_values import path_of_nul, path_of_wrong_time, values_in
from zikao_kit.policy import MethodPolicy

# `make fuzz` sets it; 0: as many as the test says.
SHOTS = int(os.environ.get("ZIKAO_FUZZ_SHOTS", "0"))
SEED = os.environ.get("ZIKAO_FUZZ_SEED", "221")
# Pages and streams from their beginning, where anything else is no place at all.
OPENINGS = {"page_token": [""], "cursor": [""]}
TIMEOUT_SECONDS = 10.0
# A subscription need not answer at once, except that it refuses.
SILENCE_SECONDS = 0.2
AT_ONCE = 16
# Of one caller, who may have twice as many: the server hears a little later that one has ended.
STREAMS_AT_ONCE = MAX_STREAMS_PER_ACTOR // 2
# The tables are compared before and after so many: who has changed them is among few then.
VOLLEY = 500
NAMED = 5
# What stands before every method and is in no method's own list.
BEFORE_THE_METHOD = frozenset(
    {
        errors.DEADLINE_REQUIRED,
        errors.DEADLINE_TOO_SHORT,
        errors.TOKEN_EXPIRED,
        errors.TOKEN_INVALID,
        errors.PERMISSION_DENIED,
        errors.OUT_OF_SCOPE,
        errors.OVERLOADED,
    }
)
ODD_METADATA: tuple[tuple[tuple[str, str | bytes], ...], ...] = (
    (("authorization", "Bearer "),),
    (("authorization", "Bearer a.b.c"),),
    (("authorization", "Basic " + "x" * 3000),),
    (("authorization", "Bearer one"), ("authorization", "Bearer two")),
    (("x-request-id", "'; --"), ("x-request-id", "x" * 500)),
    (("grpc-tags-bin", bytes(range(256))),),
    (("x-forwarded-for", "127.0.0.1"), ("x-zikao-role", "province_officer")),
)
# What grpc.aio's client says of a stream that the server has ended while parts were being sent: it
# writes over the status that it got (grpc/grpc#36066). Parts that are sent later do not meet that.
_STATUS_LOST = "Internal error from Core"
# What it says of a call whose connection has ended: it began when that just came of age, with a
# request too large to be kept for another one; or the server let it go for what others of its calls
# sent, which many large requests at once look like to a process that is kept from reading them.
_CONNECTION_ENDED = ("Debug Text: max_age)", "Connection reset by peer")
PAUSES_SECONDS = (0.0, 0.05, 0.5, 2.0)
# What the transport says of a message that it does not take, before any of our code sees it.
_TOO_LARGE = "SERVER: Received message larger than max ({} vs. {})"
_validator = protovalidate.Validator()


@dataclass(frozen=True)
class Shot:
    """Requests of one call (several for a stream), and what else it carries."""

    parts: tuple[bytes, ...]
    metadata: tuple[tuple[str, str | bytes], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How one call ended: code and reason of the refusal, both empty when it was answered.

    `answers` are the messages that came before its end.
    """

    shot: Shot
    code: str = ""
    reason: str = ""
    text: str = ""
    answers: Sequence[Any] = ()


@dataclass
class Report:
    """How often calls ended how ("" is an answer), and the request ids of what was answered."""

    broken: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Target:
    """The service that is tried: where its tables are, its time, what its requests may hold.

    `rest` waits until nothing that was asked for before goes on beside the calls;
    `max_receive_bytes` is the server's setting.
    """

    dsn: str
    schema: str
    now: datetime
    known: Known = field(default_factory=dict)
    examples: Sequence[Message] = ()
    rest: Callable[[], Awaitable[None]] | None = None
    max_receive_bytes: int = MAX_MESSAGE_BYTES


class Fuzzer:
    """Makes the shots at one method."""

    def __init__(self, method: MethodDescriptor, chance: Random, maker: MessageMaker) -> None:
        self._method = method
        self._chance = chance
        self._maker = maker
        self._limit = MethodPolicy.of(method).max_request_kib * 1024

    def shots(self, count: int) -> Iterator[Shot]:
        """So many, a part of them plausible."""
        for _ in range(count):
            metadata = self._chance.choice(ODD_METADATA) if self._chance.random() < 0.03 else ()
            parts = self._chance.choice((1, 1, 1, 3)) if self._method.client_streaming else 1
            yield Shot(tuple(self._request() for _ in range(parts)), metadata)

    def _request(self) -> bytes:
        turn = self._chance.random()
        if turn < 0.3:
            return self._maker.plausible(self._method.input_type).SerializeToString()
        raw = self._maker.odd(self._method.input_type).SerializeToString()
        if turn < 0.7:
            return raw
        if turn < 0.71:
            return padded(raw, self._limit + self._chance.choice((0, 1, 1000)))
        return self._chance.choice(DAMAGES)(self._chance, raw)


def is_broken(method: MethodDescriptor, raw: bytes) -> bool:
    """Whether a request breaks its contract: judged by the libraries that define it."""
    if len(raw) > MethodPolicy.of(method).max_request_kib * 1024:
        return True
    request = parsed(method, raw)
    if request is None or path_of_wrong_time(request):
        return True
    if path_of_nul(request) and not MethodPolicy.of(method).judges_parts:
        return True
    return bool(_validator.collect_violations(request, fail_fast=True))


def refused_by_transport(outcome: Outcome, max_receive_bytes: int) -> bool:
    """Whether a part really is too large for the transport, and just that is what it says."""
    sizes = [len(part) for part in outcome.shot.parts if len(part) > max_receive_bytes]
    texts = [_TOO_LARGE.format(size, max_receive_bytes) for size in sizes]
    return outcome.code == grpc.StatusCode.RESOURCE_EXHAUSTED.name and outcome.text in texts


def parsed(method: MethodDescriptor, raw: bytes) -> Any:
    """The request; None when the bytes are none."""
    try:
        request: Message = GetMessageClass(method.input_type).FromString(raw)
    except DecodeError:
        return None
    return request


async def fuzz(
    method: MethodDescriptor, callers: Sequence[Caller], target: Target, shots: int
) -> Report:
    """Send what is broken, see that nothing has changed, send the rest; each by some caller.

    Fails for an answer that the contract does not allow. The same requests each time, for the
    same ZIKAO_FUZZ_SEED.
    """
    chance = Random(f"{SEED} {method.full_name}")
    known = {**await known_in(target.dsn, target.schema), **OPENINGS, **target.known}
    maker = MessageMaker(chance, known, int(target.now.timestamp()), *target.examples)
    fuzzer, report, left = Fuzzer(method, chance, maker), Report(), SHOTS or shots
    while left > 0:
        await _fire(list(fuzzer.shots(min(left, VOLLEY))), method, callers, target, report)
        left -= VOLLEY
    assert report.broken
    return report


async def _fire(
    volley: Sequence[Shot],
    method: MethodDescriptor,
    callers: Sequence[Caller],
    target: Target,
    report: Report,
) -> None:
    broken = [shot for shot in volley if is_broken(method, shot.parts[0])]
    others = [shot for shot in volley if not is_broken(method, shot.parts[0])]
    if target.rest is not None:
        await target.rest()
    before = await picture(target.dsn, target.schema)
    refused = await _send_all(method, broken, callers, TIMEOUT_SECONDS)
    after = await picture(target.dsn, target.schema)
    assert after == before, [table for table in after if after[table] != before.get(table)]
    judged = await _send_all(method, others, callers, SILENCE_SECONDS)
    wrong = problems(method, refused, judged, target.max_receive_bytes)
    assert not wrong, "\n".join(wrong)
    if any(each.reason == errors.INVALID_REQUEST for each in refused):
        note(method, errors.INVALID_REQUEST)
    report.broken += len(refused)
    report.endings.update(each.reason or each.code for each in (*refused, *judged))
    report.answered |= answered_ids(method, judged)


def problems(
    method: MethodDescriptor,
    broken: Sequence[Outcome],
    others: Sequence[Outcome],
    max_receive_bytes: int,
) -> list[str]:
    """What the contract does not allow, a few of them, with the request in hex."""
    allowed = BEFORE_THE_METHOD | (errors_stated()[method.full_name] or frozenset())
    if MethodPolicy.of(method).anyone:
        allowed -= {errors.TOKEN_INVALID, errors.TOKEN_EXPIRED}
    must = BEFORE_THE_METHOD - {errors.OVERLOADED} | {errors.INVALID_REQUEST}
    wrong = [each for each in others if each.code and each.reason not in allowed]
    wrong += [each for each in broken if each.reason not in must]
    wrong = [each for each in wrong if not refused_by_transport(each, max_receive_bytes)]
    wrong += [each for each in others if not reasons_within(each) <= allowed]
    return [
        f"{each.code or 'answered'} {each.reason} {each.text[:200]}: "
        + " ".join(part[:200].hex() for part in each.shot.parts)
        for each in wrong[:NAMED]
    ]


def reasons_within(outcome: Outcome) -> set[str]:
    """The reasons in the answers of a stream that refuses its parts one by one."""
    return {
        value
        for answer in outcome.answers
        for path, value in values_in(answer)
        if path.endswith(".error.reason")
    }


def answered_ids(method: MethodDescriptor, outcomes: Sequence[Outcome]) -> set[str]:
    """Request ids of what was answered, also of the parts of a stream that has failed then."""
    found: set[str] = set()
    results = method.output_type.fields_by_name.get("results")
    result = results.message_type if results else None
    one_by_one = result is not None and "request_id" in result.fields_by_name
    for each in outcomes:
        if one_by_one:
            parts = [part for answer in each.answers for part in answer.results]
            found |= {part.request_id for part in parts if not part.HasField("error")}
        elif "request_id" in method.input_type.fields_by_name and not each.code:
            found.add(parsed(method, each.shot.parts[0]).request_id)
    return {each.lower() for each in found}


async def _send_all(
    method: MethodDescriptor, shots: Sequence[Shot], callers: Sequence[Caller], patience: float
) -> list[Outcome]:
    """Send by turns of callers; a subscription may be silent for `patience` seconds."""
    waiting, outcomes = iter(enumerate(shots)), []

    async def work() -> None:
        for number, shot in waiting:
            caller = callers[number % len(callers)]
            outcomes.append(await _send(method, shot, caller, patience))

    at_once = STREAMS_AT_ONCE if method.client_streaming else AT_ONCE
    await asyncio.gather(*(work() for _ in range(at_once)))
    return outcomes


async def _send(method: MethodDescriptor, shot: Shot, caller: Caller, patience: float) -> Outcome:
    """Send it, again when its status was lost, a stream more slowly; what it answered is kept."""
    answers: list[Any] = []
    for pause_seconds in PAUSES_SECONDS:
        sent = _each(shot.parts, pause_seconds) if method.client_streaming else shot.parts[0]
        outcome = await _send_once(method, shot, sent, caller, patience)
        answers += outcome.answers
        if not is_lost(method, outcome):
            break
        await asyncio.sleep(pause_seconds)
    return replace(outcome, answers=answers)


def is_lost(method: MethodDescriptor, outcome: Outcome) -> bool:
    """Whether the same is to be sent again.

    gRPC's client does not tell how it has ended, or the server could not look at it just then.
    """
    if outcome.reason == errors.OVERLOADED:
        return True
    if outcome.reason == errors.UNAVAILABLE:
        # Streams look at what the process knows before they judge what they are sent.
        return method.client_streaming
    if outcome.code == grpc.StatusCode.UNAVAILABLE.name and not outcome.reason:
        return any(text in outcome.text for text in _CONNECTION_ENDED)
    return method.client_streaming and outcome.text == _STATUS_LOST


async def _send_once(
    method: MethodDescriptor, shot: Shot, sent: Any, caller: Caller, patience: float
) -> Outcome:
    metadata = shot.metadata
    if caller.token and not any(key == "authorization" for key, _ in metadata):
        metadata = (*metadata, ("authorization", f"Bearer {caller.token}"))
    call = _opened(caller.channel, method)(sent, timeout=TIMEOUT_SECONDS, metadata=metadata)
    answers: list[Any] = []
    try:
        async with asyncio.timeout(2 * TIMEOUT_SECONDS):
            async for answer in _answers(method, call, patience):
                answers.append(answer)
    except TimeoutError:
        return Outcome(shot, "NO_END", answers=answers)
    except grpc.aio.AioRpcError as error:
        text = error.details() or ""
        return Outcome(shot, error.code().name, reason_of(error) or "", text, answers)
    finally:
        call.cancel()
    return Outcome(shot, answers=answers)


async def _answers(method: MethodDescriptor, call: Any, patience: float) -> AsyncIterator[Any]:
    """What is answered, which must be what the contract says; of a subscription the beginning."""
    response = GetMessageClass(method.output_type)
    if not method.server_streaming:
        yield response.FromString(await call)
        return
    endless = MethodPolicy.of(method).long_lived and not method.client_streaming
    parts = aiter(call)
    while True:
        try:
            waiting = patience if endless else TIMEOUT_SECONDS
            part = await asyncio.wait_for(anext(parts, None), waiting)
        except TimeoutError:
            if not endless:
                raise
            return
        if part is None:
            return
        yield response.FromString(part)
        if endless:
            return


@cache
def _kind(method: MethodDescriptor) -> str:
    names = {False: "unary", True: "stream"}
    return f"{names[method.client_streaming]}_{names[method.server_streaming]}"


def _opened(channel: grpc.aio.Channel, method: MethodDescriptor) -> Any:
    return getattr(channel, _kind(method))(f"/{method.containing_service.full_name}/{method.name}")


async def _each(parts: Sequence[bytes], pause_seconds: float) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
        await asyncio.sleep(pause_seconds)
