"""Ends what a deadline ends; several processes may do so at once."""

from zikao_registration.commands.expire_registrations import EXPIRED_AT_ONCE, expire_registrations
from zikao_registration.domain.recovery import DAY
from zikao_registration.parts import Parts
from zikao_registration.stores.provider_logins import ProviderLoginStore
from zikao_registration.stores.recoveries import RecoveryStore


class DeadlineWorker:
    """Looks at every session, and at login attempts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def work(self) -> bool:
        """Abandon some registrations; True when there may be more."""
        now = self._parts.clock.now()
        async with self._parts.db.transaction() as tx:
            await self._parts.accounts(tx).delete_lapsed_attempts(
                self._parts.login_limit.lapsed_at(now)
            )
        async with self._parts.db.transaction() as tx:
            lapsed_at = min(self._parts.recovery_limit.lapsed_at(now), now - DAY)
            await RecoveryStore(tx, self._parts.keys).delete_lapsed(lapsed_at, now)
            await ProviderLoginStore(tx, self._parts.keys).delete_expired(now)
        async with self._parts.db.read() as tx:
            sessions = await self._parts.store(tx).sessions.load_all()
        more = False
        for session in sessions:
            async with self._parts.db.transaction() as tx:
                expired = await expire_registrations(self._parts.store(tx), session, now)
            more = more or expired == EXPIRED_AT_ONCE
        return more
