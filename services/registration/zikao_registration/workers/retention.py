"""Erases what is kept no longer; several processes may do so at once."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from zikao_kit.audit_log import NoteCut
from zikao_kit.db import Transaction
from zikao_kit.office_audit import CUT_ACTION, RETENTION

from zikao_registration.commands.erase_personal_data import ERASED_AT_ONCE, erase_abandoned
from zikao_registration.parts import Parts
from zikao_registration.stores.registrations import Store


def note_audit_cuts(store_of: Callable[[Transaction], Store]) -> NoteCut:
    """What enters in the audit that old entries of it were removed; `store_of` a transaction."""

    async def note(tx: Transaction, what: Mapping[str, object], now: datetime) -> None:
        await store_of(tx).audit(RETENTION, CUT_ACTION, now, before=what)

    return note


class OldImportWorker:
    """Imports go a while after their last row, with the report of bad ones; records stay."""

    def __init__(self, parts: Parts, keep: timedelta) -> None:
        self._parts = parts
        self._keep = keep

    async def work(self) -> bool:
        """Delete one, which may have many problems; True when there was one."""
        if not self._keep:
            return False
        until = self._parts.clock.now() - self._keep
        async with self._parts.db.transaction() as tx:
            return await self._parts.older(tx).delete_old_import(until)


class RetentionWorker:
    """Abandoned registrations go after a while, with their accounts."""

    def __init__(self, parts: Parts, keep: timedelta) -> None:
        self._parts = parts
        self._keep = keep

    async def work(self) -> bool:
        """Erase some; True when there may be more. Never, where they are kept for ever."""
        if not self._keep:
            return False
        now = self._parts.clock.now()
        async with self._parts.db.transaction() as tx:
            parts = self._parts
            store, accounts, privacy = parts.store(tx), parts.accounts(tx), parts.privacy(tx)
            erased = await erase_abandoned(store, accounts, privacy, now - self._keep, now)
        return erased == ERASED_AT_ONCE
