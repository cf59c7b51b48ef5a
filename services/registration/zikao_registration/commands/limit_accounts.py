"""Keep strangers from asking, by making accounts, who has one already.

LOGIN_NAME_TAKEN must tell the person, who does not ask often; a caller that hears little else is
asking for others.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from zikao_kit.errors import DomainError

from zikao_registration.commands.check_password import OpenAccounts
from zikao_registration.domain.documents import Document
from zikao_registration.domain.logins import LoginLimit, Tried
from zikao_registration.domain.recovery import Purpose, RecoveryLimit
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.recoveries import RecoveryStore


@dataclass(frozen=True)
class Creation:
    """Somebody wants an account through a caller."""

    limit: LoginLimit
    documents: RecoveryLimit
    caller: str
    login_name: str
    now: datetime

    async def require_allowed(self, accounts: AccountStore) -> None:
        """Raise DomainError OVERLOADED, with the time to come again, for a caller that asks."""
        lapsed_at = self.limit.lapsed_at(self.now)
        counted = await accounts.sum_caller_attempts(Tried.ACCOUNT, self.caller, lapsed_at)
        self.limit.require_creator(counted, self.now)

    async def count_document(self, recoveries: RecoveryStore, document: Document) -> None:
        """Count it for the document, whether somebody has it or not; raises RECOVERY_LOCKED.

        To be committed before anything is looked up.
        """
        counted = await recoveries.count(
            Purpose.ACCOUNT, document.person_key, self.now, self.documents.lapsed_at(self.now)
        )
        self.documents.require_account(*counted, self.now)

    async def count(self, accounts: AccountStore, *, taken: bool = False) -> None:
        """Count an account that was made, or that was there."""
        await accounts.count_caller_attempt(
            Tried.ACCOUNT,
            self.caller,
            self.login_name,
            failed=taken,
            now=self.now,
            lapsed_at=self.limit.lapsed_at(self.now),
        )

    @asynccontextmanager
    async def counting_taken(self, open_accounts: OpenAccounts) -> AsyncIterator[None]:
        """Count LOGIN_NAME_TAKEN, whose own transaction is undone."""
        try:
            yield
        except DomainError as error:
            if error.reason == "LOGIN_NAME_TAKEN":
                async with open_accounts() as (accounts, _):
                    await self.count(accounts, taken=True)
            raise
