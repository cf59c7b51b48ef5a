"""What only the collector of garbage frees: objects in circles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def left_to_the_collector(kind: type[T]) -> Iterator[list[T]]:
    """Objects of `kind` that were left in circles meanwhile; the list is filled at the end."""
    found: list[T] = []
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += [each for each in gc.garbage if isinstance(each, kind)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        if was_on:
            gc.enable()
