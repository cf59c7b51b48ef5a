"""The act by which an office puts arrangements in force."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID


class Publishable(NamedTuple):
    """An arrangement with what its seats were when somebody looked at them."""

    arrangement_id: UUID
    seats_sha256: bytes


@dataclass(frozen=True)
class PublishArrangements:
    """Of one county or of many, as they were proposed."""

    arrangements: tuple[Publishable, ...]
    name = "publish_arrangements"
