"""The act by which an office puts arrangements in force."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Publishable(NamedTuple):
    """An arrangement with what its seats were when somebody looked at them.

    And what a second officer should know of it: `discarded` others were done on the same one in
    force and not published, `published_before` have been in force.
    """

    arrangement_id: UUID
    seats_sha256: bytes
    county_code: str = ""
    anew: bool = False
    started_by: str = ""
    discarded: int = 0
    published_before: int = 0
    rooms: int = 0
    rooms_bound: int = 0


@dataclass(frozen=True)
class PublicDraw:
    """What anybody may know of a draw; `seed` is empty until what it draws is published."""

    seed_sha256: bytes
    fixed_at: datetime
    arrangement_id: UUID | None
    published_at: datetime | None
    seed: bytes
    seats_sha256: bytes


@dataclass(frozen=True)
class PublishArrangements:
    """Of one county or of many, as they were proposed.

    `above_bound`: also what uses more rooms than are proven to be needed.
    """

    arrangements: tuple[Publishable, ...]
    above_bound: bool = False
    name = "publish_arrangements"
