"""Forgets logins that have ended; several processes may do so at once."""

from zikao_registration.parts import Parts

LOGINS_AT_ONCE = 1000


class LoginWorker:
    """Their tokens end no later: nothing needs to know of them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def work(self) -> bool:
        """Forget some; True when there may be more."""
        now = self._parts.clock.now()
        async with self._parts.db.transaction() as tx:
            logins = self._parts.accounts(tx).logins
            lapsed = await logins.delete_lapsed(now, LOGINS_AT_ONCE)
            forgotten_at = self._parts.login_rules.forgotten_at(now)
            revoked = await logins.delete_revoked(forgotten_at, LOGINS_AT_ONCE)
        return LOGINS_AT_ONCE in (lapsed, revoked)
