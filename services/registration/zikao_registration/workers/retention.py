"""Erases what is kept no longer; several processes may do so at once."""

from datetime import timedelta

from zikao_registration.commands.erase_personal_data import ERASED_AT_ONCE, erase_abandoned
from zikao_registration.parts import Parts


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
