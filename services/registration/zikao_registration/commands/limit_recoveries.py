"""Keep strangers from asking who is registered, and from guessing (DOMAIN section 3, Recovery).

A document's attempts all count, before anything is looked up. A caller is a portal, behind which
there are many: it is stopped as at logins, by failures that are much of what it tries.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from zikao_kit.errors import DomainError

from zikao_registration.domain.documents import Document
from zikao_registration.domain.logins import LoginLimit
from zikao_registration.domain.recovery import Purpose, RecoveryLimit
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.recoveries import RecoveryStore
from zikao_registration.stores.recovery_desk import RecoveryDesk

# Said to who has not shown to be the person; all else is said to the person.
FAILURES = frozenset({"RECOVERY_FAILED", "TICKET_NUMBER_NOT_ENTERED", "ACTIVATION_DATA_MISMATCH"})


@dataclass(frozen=True)
class RecoveryAttempt:
    """Somebody tries something through a caller (the name in its certificate)."""

    limit: RecoveryLimit
    callers: LoginLimit
    purpose: Purpose
    caller: str
    now: datetime

    async def count(self, stores: RecoveryDesk, document: Document) -> None:
        """Count it for the document; raises RECOVERY_LOCKED, also for a caller that is stopped.

        To be committed before anything is looked up: a failure later takes nothing back.
        """
        await self.require_caller(stores.accounts)
        self.limit.require_document(*await self._count(stores, document.person_key), self.now)

    async def count_ticket_number(self, stores: RecoveryDesk, number: str) -> None:
        """Count it for a ticket number as well; raises RECOVERY_LOCKED."""
        counted = await self._count(stores, ticket_number_key(number))
        self.limit.require_ticket_number(*counted, self.now)

    async def give_back(self, recoveries: RecoveryStore, document: Document) -> None:
        """Nobody has looked at what was tried: it does not count for the document."""
        await recoveries.return_attempt(self.purpose, document.person_key)

    async def require_caller(self, accounts: AccountStore) -> None:
        """Raise RECOVERY_LOCKED for a caller that does little else than fail."""
        lapsed_at = self.callers.lapsed_at(self.now)
        counted = await accounts.sum_caller_attempts(self.purpose, self.caller, lapsed_at)
        self.callers.require_recoverer(counted, self.now)

    async def judge(self, accounts: AccountStore, subject: str, *, failed: bool) -> None:
        """Count it for the caller. Last in a transaction: others of the caller wait for the row."""
        await accounts.count_caller_attempt(
            self.purpose,
            self.caller,
            subject,
            failed=failed,
            now=self.now,
            lapsed_at=self.callers.lapsed_at(self.now),
        )

    @asynccontextmanager
    async def judging(self, accounts: AccountStore, subject: str) -> AsyncIterator[None]:
        """Judge what the block does by the error that it raises."""
        try:
            yield
        except DomainError as error:
            await self.judge(accounts, subject, failed=error.reason in FAILURES)
            raise
        await self.judge(accounts, subject, failed=False)

    async def _count(self, stores: RecoveryDesk, subject: str) -> tuple[int, datetime]:
        lapsed_at = self.limit.lapsed_at(self.now)
        return await stores.recoveries.count(self.purpose, subject, self.now, lapsed_at)


def ticket_number_key(number: str) -> str:
    """What a ticket number's attempts are counted under; no document has such a key."""
    return f"ticket_number:{number}"
