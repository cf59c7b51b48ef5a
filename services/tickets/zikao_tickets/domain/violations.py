"""What the independent checker can find wrong (`check_arrangement.sql`, `check_proof.sql`)."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

VIOLATION_NAMES = {
    "sitting_without_seat": "考生无座位",
    "seat_without_sitting": "座位上的考生未报考该课程",
    "two_seats_in_a_slot": "考生有两个座位",
    "seat_taken_twice": "座位重复安排",
    "seat_beyond_room": "座位号超出考场容量",
    "seat_not_in_layout": "座位号不在考场布局中",
    "room_unknown": "考场不存在",
    "room_of_another_county": "考场不属于本县区",
    "closed_room": "使用了停用考场",
    "reserve_room": "使用了备用考场",
    "accessible_seat_missing": "需要无障碍座位的考生未得到安排",
    "too_many_courses_in_room": "考场课程超过6门",
    "remainder_split": "课程零头分在多个考场",
    "course_in_two_slots": "课程排在多个场次",
    "session_of_seat_differs": "座位属于其他考次",
    "late_without_base": "首次编排中有变更座位",
    "moved_too_many": "变更所调动的考生过多",
    "another_seed": "编排种子与首次启动时公布的不符",
    "seats_miscounted": "考生或座位数不符",
    "rooms_miscounted": "考场数不符",
    "packs_miscounted": "试卷袋数不符",
    "site_changes_miscounted": "换考点人次不符",
    "late_changes_miscounted": "变更人数不符",
    "bound_not_proven": "最少考场数未得到证明",
    "more_rooms_than_bound": "考场数多于已证明的最少数",
}
WHOLE_COUNTY = 0
"""The slot of what is wrong with the county as a whole."""


class Violation(NamedTuple):
    """One rule broken in one place; `kind` is a key of VIOLATION_NAMES."""

    kind: str
    slot: int
    subject: str


def in_words(violations: Iterable[Violation]) -> str:
    """What is wrong, by slot and kind with how often, in Chinese for the office."""
    counts = Counter((violation.slot, violation.kind) for violation in violations)
    return "；".join(
        f"{_place(slot)}{VIOLATION_NAMES[kind]}{count}处"
        for (slot, kind), count in sorted(counts.items())
    )


def _place(slot: int) -> str:
    return "全县" if slot == WHOLE_COUNTY else f"第{slot}场"
