"""All that a message holds, whatever its type."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from google.protobuf.message import Message


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


def _with_inner(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, Message):
        yield from values_in(value, f"{path}.")
