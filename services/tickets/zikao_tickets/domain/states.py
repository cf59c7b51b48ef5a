"""What an arrangement is and may become."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from zikao_kit.errors import DomainError


class ArrangementState(StrEnum):
    """pending → running → done → [approved →] published → superseded.

    Or failed, or cancelled; discarded when another is done before it was published.
    """

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"
    APPROVED = "approved"
    CANCELLED = "cancelled"
    DISCARDED = "discarded"


class Stage(StrEnum):
    """What is being done to a running arrangement, in this order."""

    WAITING = "waiting"
    READING = "reading"
    ROOMS = "rooms"
    SITES = "sites"
    LATE = "late"
    SEATING = "seating"


STATE_NAMES = {
    ArrangementState.PENDING: "待编排",
    ArrangementState.RUNNING: "编排中",
    ArrangementState.DONE: "已编排",
    ArrangementState.FAILED: "编排失败",
    ArrangementState.PUBLISHED: "已发布",
    ArrangementState.SUPERSEDED: "已被取代",
    ArrangementState.APPROVED: "待发布",
    ArrangementState.CANCELLED: "已取消",
    ArrangementState.DISCARDED: "已被新编排取代",
}
IN_PROGRESS = frozenset({ArrangementState.PENDING, ArrangementState.RUNNING})
UNENDED = IN_PROGRESS | {ArrangementState.APPROVED}
SEATED = frozenset(
    {
        ArrangementState.DONE,
        ArrangementState.APPROVED,
        ArrangementState.PUBLISHED,
        ArrangementState.SUPERSEDED,
    }
)
IN_PROGRESS_ELSEWHERE = "已有编排进行中"
OUTDATED = "编排后已发布其他编排"
KEPT_NOTHING = "由较早版本的程序编排，未保存可供核对的方案"


def require_state(state: ArrangementState, *allowed: ArrangementState) -> None:
    """Raise DomainError STATE_NOT_ALLOWED unless it is one of those allowed."""
    if state not in allowed:
        raise DomainError("STATE_NOT_ALLOWED", state=STATE_NAMES[state])


@dataclass(frozen=True)
class Counts:
    """What an arrangement comes to, as the arranging counted it; the checker counts again.

    Rooms and packs over all slots. `changed`, `moved` and `late_shares` are of late changes:
    candidates who changed, others who had to move, groups in a room of their own.
    """

    candidates: int = 0
    sittings: int = 0
    rooms: int = 0
    rooms_bound: int = 0
    packs: int = 0
    packs_bound: int = 0
    site_changes: int = 0
    site_changes_bound: int = 0
    changers: int = 0
    gap_reason: str = ""
    changed: int = 0
    moved: int = 0
    late_shares: int = 0


@dataclass(frozen=True)
class Progress:
    """How far a running arrangement is; `total` is 0 when it is not known."""

    stage: Stage = Stage.WAITING
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Arrangement:
    """One arrangement of one county; `seed_enc` stays encrypted until it is published.

    `based_on` is the arrangement that was in force when its seats were found, whose seats it
    keeps as far as can be unless it is made `anew`. `seeded_on` was in force when it was started:
    all that are started on the same one have the same seed, the first of them `fixes_seed`.
    `attempts` counts who has worked on it.
    """

    arrangement_id: UUID
    session_code: str
    county_code: str
    state: ArrangementState
    seed_enc: bytes
    seed_sha256: bytes
    started_at: datetime
    started_by: str
    seeded_on: UUID | None = None
    fixes_seed: bool = False
    failure: str = ""
    operation_id: UUID | None = None
    based_on: UUID | None = None
    anew: bool = False
    attempts: int = 0
    checked_at: datetime | None = None
    seats_sha256: bytes = b""
    counts: Counts = field(default_factory=Counts)
    progress: Progress = field(default_factory=Progress)

    @property
    def is_revealed(self) -> bool:
        """Whether the seed may be known."""
        return self.state in {ArrangementState.PUBLISHED, ArrangementState.SUPERSEDED}

    def require(self, *states: ArrangementState) -> None:
        """Raise DomainError STATE_NOT_ALLOWED unless it is in one of these."""
        require_state(self.state, *states)

    def require_based_on(self, in_force: UUID | None) -> None:
        """Raise DomainError STATE_NOT_ALLOWED when another was published since it was made."""
        if self.based_on != in_force:
            raise DomainError("STATE_NOT_ALLOWED", state=OUTDATED)


class ArrangementFilter(NamedTuple):
    """Which arrangements: of counties whose code begins so; `state` None for all."""

    session_code: str
    county_prefix: str
    state: ArrangementState | None
    with_gap_only: bool


@dataclass(frozen=True)
class Totals:
    """Arrangements counted by where they stand, with what those with seats come to."""

    arrangements: int
    ended: int
    failed: int
    cancelled: int
    counts: Counts

    @classmethod
    def of(cls, arrangements: Iterable[Arrangement]) -> "Totals":
        """Add up."""
        known = list(arrangements)
        states = [each.state for each in known]
        seated = [each.counts for each in known if each.state in SEATED]
        return cls(
            arrangements=len(known),
            ended=sum(state not in UNENDED for state in states),
            failed=states.count(ArrangementState.FAILED),
            cancelled=states.count(ArrangementState.CANCELLED),
            counts=Counts(
                sittings=sum(each.sittings for each in seated),
                rooms=sum(each.rooms for each in seated),
                rooms_bound=sum(each.rooms_bound for each in seated),
                site_changes=sum(each.site_changes for each in seated),
                site_changes_bound=sum(each.site_changes_bound for each in seated),
            ),
        )
