"""Pauses the search for garbage where very many objects are made and all are kept."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collecting_later() -> Iterator[None]:
    """Look for cycles of garbage afterwards: among 100,000 new objects it takes most of the time.

    For what makes no cycles and ends within seconds, other threads of the process included.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
