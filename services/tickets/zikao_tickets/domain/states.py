"""What an arrangement is and may become."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from zikao_kit.errors import DomainError


class ArrangementState(StrEnum):
    """pending → running → done → published → superseded; or failed."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"


STATE_NAMES = {
    ArrangementState.PENDING: "待编排",
    ArrangementState.RUNNING: "编排中",
    ArrangementState.DONE: "已编排",
    ArrangementState.FAILED: "编排失败",
    ArrangementState.PUBLISHED: "已发布",
    ArrangementState.SUPERSEDED: "已被取代",
}
IN_PROGRESS_ELSEWHERE = "已有编排进行中"
OUTDATED = "编排后已发布其他编排"


@dataclass(frozen=True)
class Arrangement:
    """One arrangement of one county; `seed_enc` stays encrypted until it is published.

    `based_on` is the arrangement that was in force when its seats were found, whose seats it
    keeps as far as can be.
    """

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
    based_on: UUID | None = None

    @property
    def is_revealed(self) -> bool:
        """Whether the seed may be known."""
        return self.state in {ArrangementState.PUBLISHED, ArrangementState.SUPERSEDED}

    def require_done(self) -> None:
        """Raise DomainError STATE_NOT_ALLOWED unless every sitting has its seat."""
        if self.state is not ArrangementState.DONE:
            raise DomainError("STATE_NOT_ALLOWED", state=STATE_NAMES[self.state])

    def require_based_on(self, in_force: UUID | None) -> None:
        """Raise DomainError STATE_NOT_ALLOWED when another was published since it was made."""
        if self.based_on != in_force:
            raise DomainError("STATE_NOT_ALLOWED", state=OUTDATED)
