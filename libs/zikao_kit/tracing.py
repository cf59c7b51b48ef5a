"""Spans of calls and of work beside them, where tracing is on; by default it is off.

`zikao_kit.telemetry` makes spans with OpenTelemetry, of which nothing is imported here. The place
of a span travels as W3C `traceparent`: in the metadata of calls, and with events in the outbox. A
span says what was called and how it ended, never what was in it or of whom.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Literal, Protocol

import grpc
from prometheus_client import Counter

from zikao_kit.context import current_call

TRACEPARENT_KEY = "traceparent"
# Of a message with more events the first ones only have spans of their being applied.
APPLIED_AT_MOST = 100
FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""How a server's span ends as an error, by the conventions of OpenTelemetry."""
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

SPANS = Counter(
    "zikao_tracing_spans_total",
    "Spans that were handed to the collector (exported), or could not be (lost).",
    ["outcome"],
)

Kind = Literal["server", "client", "internal", "consumer"]
Attributes = Mapping[str, str | int]


class Span(Protocol):
    """Something that takes time; to be ended once."""

    @property
    def traceparent(self) -> str:
        """Its place, for what is caused by it."""
        ...

    def end(self, error: str | None = None, attributes: Attributes | None = None) -> None:
        """End it, with the reason of an error if it is one."""
        ...


class Spans(Protocol):
    """Makes spans."""

    def begin(
        self,
        name: str,
        kind: Kind,
        *,
        parent: str = "",
        links: Sequence[str] = (),
        attributes: Attributes | None = None,
    ) -> Span:
        """Begin a span below `parent`; without one it is the first of a new trace.

        Only of what is to be kept.
        """
        ...

    def chosen(self) -> bool:
        """Whether a trace that begins here is to be kept."""
        ...

    def trusts(self, caller: str) -> bool:
        """Whether a caller, by its name, decides which of its traces are kept."""
        ...

    def outside(self) -> str:
        """The place of the program's own span, where spans are not only ours; else ''."""
        ...


class _State:
    """Whether tracing is on: of a process."""

    spans: Spans | None = None


_NOTHING: Mapping[Any, str] = MappingProxyType({})
# Traces of those whose entries are decided in the current batch, and of events by their key.
_members: ContextVar[Mapping[Any, str]] = ContextVar("zikao_members", default=_NOTHING)
_events: ContextVar[Mapping[str, str]] = ContextVar("zikao_traced_events", default=_NOTHING)


def use(spans: Spans | None) -> None:
    """Make spans from now on; None: no more."""
    _State.spans = spans


def spans() -> Spans | None:
    """Who makes spans; None where tracing is off."""
    return _State.spans


def is_on() -> bool:
    """Whether spans are made."""
    return _State.spans is not None


def is_sampled(traceparent: str) -> bool:
    """Whether the trace is one that is kept; not for ''."""
    return bool(traceparent) and int(traceparent[-2:], 16) & 1 == 1


def read_traceparent(text: str) -> str:
    """What a caller sent, or '' when it is no place of a span."""
    return text if _TRACEPARENT.fullmatch(text) else ""


def left_place(place: str = "") -> str:
    """A place that nobody keeps, so that others who work for it do not either.

    It is `place`, where there is one, else one in a new trace.
    """
    if place:
        return f"{place[:-2]}00"
    trace_id, span_id = random.getrandbits(128) | 1, random.getrandbits(64) | 1
    return f"00-{trace_id:032x}-{span_id:016x}-00"


def current_traceparent() -> str:
    """The place of the call in progress; '' outside of a call, or when it has none."""
    call = current_call()
    return call.traceparent if call else ""


def begin_call(method: str) -> Span | None:
    """The span of a call to another service; None where there is nothing that it goes on."""
    if _State.spans is None:
        return None
    parent = current_traceparent() or _State.spans.outside()
    if not is_sampled(parent):
        return None
    return _State.spans.begin(
        method.removeprefix("/"), "client", parent=parent, attributes=rpc_attributes(method)
    )


def rpc_attributes(method: str) -> dict[str, str | int]:
    """What the conventions of OpenTelemetry say of a call; `method` is its full name."""
    service, _, name = method.removeprefix("/").partition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}


def ended_attributes(code: grpc.StatusCode) -> dict[str, str | int]:
    """What the conventions say of how a call ended."""
    number: int = code.value[0]
    return {"rpc.grpc.status_code": number}


@contextmanager
def batch(name: str, members: Mapping[Any, str]) -> Iterator[None]:
    """The span of what decides the entries of several calls: a trace of its own, linked to theirs.

    `members` are places by entry, '' for none; `member_trace` gives them back meanwhile.
    """
    links = [place for place in members.values() if is_sampled(place)]
    if _State.spans is None or not links:
        yield
        return
    size = {"zikao.batch.size": len(members)}
    span = _State.spans.begin(name, "internal", links=links, attributes=size)
    token = _members.set(members)
    try:
        yield
    except BaseException as error:
        span.end(type(error).__name__)
        raise
    else:
        span.end()
    finally:
        _members.reset(token)


def member_trace(key: Any) -> str:
    """The place of who has sent an entry of the current batch; '' for none that is kept."""
    place = _members.get().get(key, "")
    return place if is_sampled(place) else ""


@contextmanager
def of_events(places: Mapping[str, str]) -> Iterator[None]:
    """Events that are appended meanwhile belong to these places, by the events' keys."""
    token = _events.set(places)
    try:
        yield
    finally:
        _events.reset(token)


def traces_of(keys: Iterable[str]) -> list[str | None] | None:
    """The places to be stored with events; None where there is none at all, which costs nothing."""
    if _State.spans is None:
        return None
    own, known = current_traceparent(), _events.get()
    places = [known.get(key) or own for key in keys]
    if not any(map(is_sampled, places)):
        return None
    return [place if is_sampled(place) else None for place in places]


@contextmanager
def applying(source: str, places: Sequence[str]) -> Iterator[None]:
    """Spans of events that are applied together, each in the trace of what caused it."""
    spans = _State.spans
    kept = [each for each in places if is_sampled(each)] if spans is not None else []
    attributes = {"messaging.system": "zikao_feed", "messaging.destination.name": source}
    begun = [
        spans.begin(f"apply {source}", "consumer", parent=place, attributes=attributes)
        for place in kept[:APPLIED_AT_MOST]
        if spans is not None
    ]
    error: str | None = None
    try:
        yield
    except BaseException as failure:
        error = type(failure).__name__
        raise
    finally:
        for span in begun:
            span.end(error)
