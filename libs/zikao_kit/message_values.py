"""All that a message holds, whatever its type."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from zikao.options.v1 import options_pb2

# A day less than the calendar has at either end: no time zone takes it out of there.
_FIRST_TIME = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
_LAST_TIME = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)


def values_in(message: Message, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of everything that is set, outermost first."""
    for field, value in message.ListFields():
        path = prefix + field.name
        if not field.is_repeated:
            yield from _with_inner(path, value)
        else:
            elements = [*value, *value.values()] if hasattr(value, "values") else value  # a map
            for index, element in enumerate(elements):
                yield from _with_inner(f"{path}[{index}]", element)


def holds_more_than(message: Message, count: int) -> bool:
    """Say whether `message` holds more than `count` values; looks at no more than those."""
    return next(islice(values_in(message), count, None), None) is not None


def path_of_nul(message: Message) -> str | None:
    """Return the path of the first text with a NUL in it, None when there is none.

    It is valid UTF-8, but PostgreSQL has no way to keep it.
    """
    for path, value in values_in(message):
        if isinstance(value, str) and "\0" in value:
            return path
    return None


def may_hold_times(kind: Descriptor, seen: frozenset[Descriptor] = frozenset()) -> bool:
    """Say whether a message of this kind has a place for a time or a duration."""
    inner = {field.message_type for field in kind.fields if field.message_type} - seen
    times = {Timestamp.DESCRIPTOR, Duration.DESCRIPTOR}
    return bool(inner & times) or any(may_hold_times(each, seen | inner) for each in inner)


def may_be_sensitive(kind: Descriptor, seen: frozenset[Descriptor] = frozenset()) -> bool:
    """Say whether a message of this kind has a place for what its contract calls sensitive."""
    inner = {field.message_type for field in kind.fields if field.message_type} - seen
    stated = any(field.GetOptions().Extensions[options_pb2.sensitive] for field in kind.fields)
    return stated or any(may_be_sensitive(each, seen | inner) for each in inner)


def path_of_wrong_time(message: Message) -> str | None:
    """Return the path of the first time or duration that is none; None when all are right.

    Protobuf carries what no calendar has: the year 292277026596, or 2 billion nanoseconds.
    """
    for path, value in values_in(message):
        if isinstance(value, Timestamp | Duration) and not _is_right(value):
            return path
    return None


def _is_right(time: Timestamp | Duration) -> bool:
    try:
        if isinstance(time, Duration):
            return bool(time.ToJsonString())  # ToTimedelta takes everything
        return _FIRST_TIME <= time.ToDatetime(UTC) <= _LAST_TIME
    except (ValueError, OverflowError):
        return False


def _with_inner(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, Message):
        yield from values_in(value, f"{path}.")
