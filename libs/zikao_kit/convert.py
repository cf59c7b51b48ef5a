"""Between protobuf and Python: times, durations, and enums as the lower-case text of the domain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

T = TypeVar("T")
R = TypeVar("R")


def optional(value: T | None, convert: Callable[[T], R]) -> R | None:
    """Convert what is there; None stays None, which a message field is not set by."""
    return None if value is None else convert(value)


def time_to_pb(time: datetime) -> Timestamp:
    """Return an aware time as Timestamp."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


def time_from_pb(message: Timestamp) -> datetime:
    """Return a Timestamp as aware time in UTC."""
    return message.ToDatetime(UTC)


def duration_to_pb(time: timedelta) -> Duration:
    """Return a length of time as Duration."""
    message = Duration()
    message.FromTimedelta(time)
    return message


def enum_to_pb(enum: Any, prefix: str, value: str | None) -> Any:
    """Return the number that `enum` (a generated enum class) has for the domain's `value`.

    `enum_to_pb(types_pb2.Track, "TRACK_", "full")` is TRACK_FULL; None is 0 (unspecified).
    Raises ValueError for a value that the contract does not know.
    """
    return enum.Value(prefix + value.upper()) if value else 0


def enum_from_pb(enum: Any, prefix: str, number: int) -> str:
    """Return the domain's text of an enum's number, "unspecified" for 0.

    Raises ValueError for a number that the contract does not know.
    """
    name: str = enum.Name(number)
    return name.removeprefix(prefix).lower()
