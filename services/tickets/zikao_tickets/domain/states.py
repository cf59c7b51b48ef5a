"""What an arrangement is and may become."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from zikao_kit.errors import DomainError


class ArrangementState(StrEnum):
    """pending → running → done → published, or failed."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    PUBLISHED = "published"


@dataclass(frozen=True)
class Arrangement:
    """One arrangement of one county; `seed_enc` stays encrypted until it is published."""

    arrangement_id: UUID
    session_code: str
    county_code: str
    state: ArrangementState
    seed_enc: bytes
    seed_sha256: bytes
    candidates: int
    sittings: int
    rooms: int
    failure: str
    started_at: datetime

    def require_publishable(self) -> None:
        """Raise DomainError STATE_NOT_ALLOWED unless every sitting has its seat."""
        if self.state is not ArrangementState.DONE:
            raise DomainError("STATE_NOT_ALLOWED", state=self.state.value)
