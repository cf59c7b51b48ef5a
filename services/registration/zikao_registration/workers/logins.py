"""Forgets logins that have ended by themselves; several processes may do so at once."""

from zikao_registration.parts import Parts

LOGINS_AT_ONCE = 1000


class LoginWorker:
    """Their tokens end no later: nothing needs to know of them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def work(self) -> bool:
        """Forget some; True when there may be more."""
        async with self._parts.db.transaction() as tx:
            logins = self._parts.accounts(tx).logins
            gone = await logins.delete_lapsed(self._parts.clock.now(), LOGINS_AT_ONCE)
        return gone == LOGINS_AT_ONCE
