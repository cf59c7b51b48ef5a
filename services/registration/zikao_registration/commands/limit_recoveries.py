"""Keep strangers from asking who is registered, and from guessing (DOMAIN section 3, Recovery)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from zikao_registration.domain.documents import Document
from zikao_registration.domain.recovery import Purpose, RecoveryLimit
from zikao_registration.recovery_store import RecoveryStore


@dataclass(frozen=True)
class RecoveryAttempt:
    """Somebody tries something through a caller (the name in its certificate)."""

    limit: RecoveryLimit
    purpose: Purpose
    caller: str
    now: datetime

    async def count(self, recoveries: RecoveryStore, document: Document) -> None:
        """Count it, for the caller and for the document; raises RECOVERY_LOCKED.

        To be committed before anything is looked up: a failure later takes nothing back.
        """
        await self.count_caller(recoveries, uuid4())
        counted = await recoveries.count_document(
            self.purpose, document.person_key, self.now, self.limit.lapsed_at(self.now)
        )
        self.limit.require_document(*counted, self.now)

    async def count_caller(self, recoveries: RecoveryStore, key: UUID) -> None:
        """Count it for the caller alone; raises RECOVERY_LOCKED."""
        counted = await recoveries.count_caller(
            self.purpose, self.caller, key, self.now, self.limit.lapsed_at(self.now)
        )
        self.limit.require_caller(*counted, self.now)
