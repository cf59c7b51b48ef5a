"""Puts approved profile changes into effect; several processes may do so at once."""

from datetime import datetime
from uuid import UUID

import structlog
from zikao_kit.crypto import DecryptionFailed
from zikao_kit.errors import DomainError

from zikao_registration.commands.apply_profile_changes import (
    APPLIER,
    CHANGES_AT_ONCE,
    apply_profile_change,
    lapse_profile_changes,
    list_due_changes,
)
from zikao_registration.parts import Parts

# Before every id.
FIRST = UUID(int=0)
log = structlog.get_logger()


class ProfileChangeWorker:
    """Looks at every session's window and at what is due."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        # How far this walk over what is due has come: what cannot be applied keeps no other back.
        self._after = FIRST

    async def work(self) -> bool:
        """Apply some, each in a transaction of its own; True when there may be more.

        Raises an ExceptionGroup with what could not be read, once all others are applied.
        """
        now = self._parts.clock.now()
        async with self._parts.db.transaction() as tx:
            desk = self._parts.change_desk(tx, APPLIER, now)
            sessions = await desk.store.sessions.load_all()
            for session in sessions:
                await lapse_profile_changes(desk, session)
            due = await list_due_changes(desk, sessions, self._after)
        more = len(due) == CHANGES_AT_ONCE
        self._after = due[-1] if more else FIRST
        unreadable = []
        for change_id in due:
            try:
                await self._apply(change_id, now)
            except DecryptionFailed as error:
                log.error("profile change cannot be read", change_id=str(change_id))  # noqa: TRY400
                unreadable.append(error)
        if unreadable:
            raise ExceptionGroup("profile changes", unreadable)
        return more

    async def _apply(self, change_id: UUID, now: datetime) -> None:
        try:
            async with self._parts.db.transaction() as tx:
                desk = self._parts.change_desk(tx, APPLIER, now)
                await apply_profile_change(desk, self._parts.accounts(tx), change_id)
        except DomainError as error:
            if error.reason != "DOCUMENT_TAKEN":
                raise
            log.info("profile change waits for the next round", change_id=str(change_id))
