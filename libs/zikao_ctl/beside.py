"""Work that goes on while a block runs, whose errors reach the block's caller as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from zikao_kit.background import running


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` while the block runs, then cancel it and wait for its end.

    An error of either ends both.
    """
    with only_error():
        async with running(work):
            yield


@contextmanager
def only_error() -> Iterator[None]:
    """Raise a task group's error itself when there is only one.

    A task group wraps even its block's own error: but a test that fails should show its
    assertion, and a command its sentence.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from None
