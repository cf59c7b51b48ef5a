"""What the independent checker can find wrong with an arrangement (`check_arrangement.sql`)."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

VIOLATION_NAMES = {
    "sitting_without_seat": "考生无座位",
    "seat_without_sitting": "座位上的考生未报考该课程",
    "two_seats_in_a_slot": "考生有两个座位",
    "seat_taken_twice": "座位重复安排",
    "seat_beyond_room": "座位号超出考场容量",
    "room_of_another_county": "考场不属于本县区",
    "too_many_courses_in_room": "考场课程超过6门",
    "remainder_split": "课程零头分在多个考场",
}


class Violation(NamedTuple):
    """One rule broken in one place; `kind` is a key of VIOLATION_NAMES."""

    kind: str
    slot: int
    subject: str


def in_words(violations: Iterable[Violation]) -> str:
    """What is wrong, by slot and kind with how often, in Chinese for the office."""
    counts = Counter((violation.slot, violation.kind) for violation in violations)
    return "；".join(
        f"第{slot}场{VIOLATION_NAMES[kind]}{count}处"
        for (slot, kind), count in sorted(counts.items())
    )
