"""What the tickets service knows of a session (DOMAIN section 8), and what may change of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from zikao_kit.errors import DomainError

SESSION_CHANGE_REFUSED = "SESSION_CHANGE_REFUSED"


@dataclass(frozen=True)
class Slot:
    """One half-day sitting; times aware."""

    number: int
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Notice:
    """What candidates must have read before they print; a new text has a new version."""

    version: int
    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class Session:
    """Settings of one session; windows are start inclusive, end exclusive."""

    code: str
    name: str
    time_zone: str
    enrollment_closes_at: datetime
    printing_opens_at: datetime
    printing_closes_at: datetime
    slots: tuple[Slot, ...]
    courses: Mapping[str, str]
    """Course code to name."""
    notice: Notice

    def require_arrangeable(self, now: datetime) -> None:
        """Raise DomainError ARRANGEMENT_TOO_EARLY before enrollment has closed."""
        if now < self.enrollment_closes_at:
            raise DomainError(
                "ARRANGEMENT_TOO_EARLY", enrollment_closes_at=self.enrollment_closes_at.isoformat()
            )

    def require_printing(self, now: datetime) -> None:
        """Raise DomainError PRINTING_CLOSED outside of the window, naming it."""
        if not self.printing_opens_at <= now < self.printing_closes_at:
            raise DomainError(
                "PRINTING_CLOSED",
                opens_at=self.printing_opens_at.isoformat(),
                closes_at=self.printing_closes_at.isoformat(),
            )


@dataclass(frozen=True)
class RoomPlan:
    """One room; seats are numbered in a snake (`layout`)."""

    code: str
    columns: int
    rows: int

    @property
    def capacity(self) -> int:
        """Seats."""
        return self.columns * self.rows


@dataclass(frozen=True)
class Site:
    """A school with its rooms in the order in which they are filled."""

    code: str
    county_code: str
    county_name: str
    name: str
    address: str
    rooms: tuple[RoomPlan, ...]


RoomKey = tuple[str, str]
"""Site code, room code."""


def changes_between(
    before: Session | None,
    after: Session,
    sites_before: Sequence[Site],
    sites_after: Sequence[Site],
) -> list[str]:
    """Say in Chinese, one sentence a change, what applying would change; empty for nothing."""
    if before is None:
        rooms = sum(len(site.rooms) for site in sites_after)
        return [f"新建考次{after.code}：考点{len(sites_after)}个，考场{rooms}个"]
    changes = [f"{label}变更" for label, field in _LABELS.items() if _differs(before, after, field)]
    old, new = ({site.code: site for site in sites} for sites in (sites_before, sites_after))
    changes += [f"新增考点{code}" for code in new if code not in old]
    changes += [f"取消考点{code}" for code in old if code not in new]
    changes += [f"考点{code}变更" for code in new if code in old and new[code] != old[code]]
    if not changes and list(old) != list(new):
        changes.append("考点顺序变更")
    return changes


_LABELS = {
    "考次名称": "name",
    "时区": "time_zone",
    "报考截止时间": "enrollment_closes_at",
    "准考证打印开始时间": "printing_opens_at",
    "准考证打印结束时间": "printing_closes_at",
    "场次时间": "slots",
    "课程": "courses",
    "考试须知": "notice",
}


def _differs(before: Session, after: Session, field: str) -> bool:
    return bool(getattr(before, field) != getattr(after, field))


def require_rooms(
    before: Sequence[Site], after: Sequence[Site], seats_in_use: Mapping[RoomKey, int]
) -> None:
    """Raise DomainError SESSION_CHANGE_REFUSED when seats that people have would be lost.

    `seats_in_use` is the highest seat number given in each room.
    """
    sizes = {(site.code, room.code): room.capacity for site in after for room in site.rooms}
    old, new = ({site.code: site.county_code for site in sites} for sites in (before, after))
    for (site, room), highest in seats_in_use.items():
        if sizes.get((site, room), 0) < highest:
            raise _refused(f"考点{site}考场{room}已安排座位至{highest}号")
        if new[site] != old[site]:
            raise _refused(f"考点{site}已安排座位，不能改属{new[site]}")


def require_courses(after: Session, in_use: Iterable[tuple[int, str]]) -> None:
    """Raise DomainError SESSION_CHANGE_REFUSED when a slot or course that people take would go.

    `in_use`: slot and course code of the sittings.
    """
    slots = {slot.number for slot in after.slots}
    for slot, course in sorted(in_use):
        if slot not in slots:
            raise _refused(f"第{slot}场已有考生报考")
        if course not in after.courses:
            raise _refused(f"课程{course}已有考生报考")


def require_notice(before: Notice, after: Notice) -> None:
    """Raise DomainError SESSION_CHANGE_REFUSED for another text under an acknowledged version."""
    if before.version > after.version:
        raise _refused("考试须知版本不能降低")
    if before.version == after.version and before != after:
        raise _refused("考试须知内容已变更，版本未变更")


def _refused(detail: str) -> DomainError:
    return DomainError(SESSION_CHANGE_REFUSED, detail=detail)
