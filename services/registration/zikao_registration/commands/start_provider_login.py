"""Send somebody to the identity provider (DOMAIN section 3, Recovery)."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from zikao_kit.errors import OVERLOADED, DomainError

from zikao_registration.domain.provider_logins import PROVIDER_LOGIN_LIFETIME, BegunLogin
from zikao_registration.domain.recovery import Purpose
from zikao_registration.stores.provider_logins import ProviderLoginStore
from zikao_registration.stores.recoveries import RecoveryStore

STATE_BYTES = 32


@dataclass(frozen=True)
class ProviderStart:
    """Somebody wants to log in through a caller (the name in its certificate)."""

    starts_per_caller: int
    caller: str
    now: datetime

    async def count(self, recoveries: RecoveryStore) -> None:
        """Count it, before anything is kept for it; raises OVERLOADED."""
        attempts, first_at = await recoveries.count_caller(
            Purpose.PROVIDER_LOGIN,
            self.caller,
            uuid4(),
            self.now,
            self.now - PROVIDER_LOGIN_LIFETIME,
        )
        if attempts > self.starts_per_caller:
            retry_after = first_at + PROVIDER_LOGIN_LIFETIME - self.now
            raise DomainError(OVERLOADED, retry_after=retry_after)

    async def begin(self, logins: ProviderLoginStore) -> BegunLogin:
        """A login that can be completed through the same caller."""
        state, nonce, verifier = (secrets.token_urlsafe(STATE_BYTES) for _ in range(3))
        login = BegunLogin(state, nonce, verifier, self.now + PROVIDER_LOGIN_LIFETIME)
        await logins.insert(login, self.caller)
        return login
