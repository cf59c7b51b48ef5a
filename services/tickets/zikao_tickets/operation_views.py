"""How operations go, for those who watch: one reader an operation, however many they are."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

import structlog
from zikao_kit.db import Database, DatabaseUnavailable
from zikao_kit.errors import UNAVAILABLE, DomainError

from zikao_tickets.domain.states import Arrangement, Totals
from zikao_tickets.stores.arrangements import ArrangementStore

READ_SECONDS = 1.0

log = structlog.get_logger()


class Look(NamedTuple):
    """What is new to somebody: all of it (`full`), or what has changed."""

    arrangements: Sequence[Arrangement]
    totals: Totals
    full: bool


class OperationViews:
    """Those of a process; an operation is read every second while somebody watches it."""

    def __init__(self, db: Database, read_seconds: float = READ_SECONDS) -> None:
        self._db = db
        self._read_seconds = read_seconds
        self._views: dict[UUID, _View] = {}

    async def watch(self, operation_id: UUID) -> AsyncGenerator[Look, None]:
        """Yield all arrangements of an operation that there is, then what changes, until all ended.

        Raises DomainError UNAVAILABLE when it cannot be read.
        """
        view = self._views.get(operation_id)
        if view is None:
            view = self._views[operation_id] = _View(self._db, operation_id, self._read_seconds)
        view.watchers += 1
        seen = 0
        try:
            while not (view.has_ended and seen == view.number):
                while seen == view.number:
                    await view.next()
                look, seen = view.since(seen), view.number
                yield look
        finally:
            view.watchers -= 1
            if not view.watchers:
                self._views.pop(operation_id, None)
                await view.close()


class _View:
    """One operation as it was read last; readings are numbered from 1."""

    def __init__(self, db: Database, operation_id: UUID, read_seconds: float) -> None:
        self.watchers = 0
        self.number = 0
        self.has_ended = False
        self._db = db
        self._operation_id = operation_id
        self._read_seconds = read_seconds
        self._known: list[Arrangement] = []
        self._changed: dict[UUID, int] = {}
        self._next = asyncio.Event()
        self._reading = asyncio.create_task(self._read_on())

    def since(self, seen: int) -> Look:
        """What is new to who has seen reading `seen`; 0 for none."""
        new = [each for each in self._known if self._changed[each.arrangement_id] > seen]
        return Look(new, Totals.of(self._known), full=seen == 0)

    async def next(self) -> None:
        """Wait for another reading; raises DomainError UNAVAILABLE when there will be none."""
        if self._reading.done() and not self.has_ended:
            raise DomainError(UNAVAILABLE)
        await self._next.wait()

    async def close(self) -> None:
        """Read no more."""
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading

    async def _read_on(self) -> None:
        try:
            while not self.has_ended:
                async with self._db.read() as tx:
                    found = await ArrangementStore(tx).of_operation(self._operation_id)
                self._show(found)
                await asyncio.sleep(self._read_seconds)
        except DatabaseUnavailable:
            log.warning("an operation cannot be read", operation_id=str(self._operation_id))
        finally:
            self._wake()

    def _show(self, found: list[Arrangement]) -> None:
        known = {each.arrangement_id: each for each in self._known}
        self.number += 1
        for each in found:
            if known.get(each.arrangement_id) != each:
                self._changed[each.arrangement_id] = self.number
        self._known = found
        totals = Totals.of(found)
        self.has_ended = totals.ended == totals.arrangements
        self._wake()

    def _wake(self) -> None:
        self._next.set()
        self._next = asyncio.Event()
