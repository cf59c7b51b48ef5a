"""Puts approved profile changes into effect; several processes may do so at once."""

import structlog
from zikao_kit.errors import DomainError

from zikao_registration.commands.apply_profile_changes import (
    APPLIER,
    CHANGES_AT_ONCE,
    apply_profile_change,
    lapse_profile_changes,
    list_due_changes,
)
from zikao_registration.parts import Parts

log = structlog.get_logger()


class ProfileChangeWorker:
    """Looks at every session's window and at what is due."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def work(self) -> bool:
        """Apply some, each in a transaction of its own; True when there may be more."""
        now = self._parts.clock.now()
        async with self._parts.db.transaction() as tx:
            desk = self._parts.change_desk(tx, APPLIER, now)
            sessions = await desk.store.sessions.load_all()
            for session in sessions:
                await lapse_profile_changes(desk, session)
            due = await list_due_changes(desk, sessions)
        for change_id in due:
            try:
                async with self._parts.db.transaction() as tx:
                    desk = self._parts.change_desk(tx, APPLIER, now)
                    await apply_profile_change(desk, self._parts.accounts(tx), change_id)
            except DomainError as error:
                if error.reason != "DOCUMENT_TAKEN":
                    raise
                log.info("profile change waits for the next round", change_id=str(change_id))
        return len(due) == CHANGES_AT_ONCE
