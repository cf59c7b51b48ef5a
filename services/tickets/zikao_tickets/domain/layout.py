"""Where a seat number stands in a room: a snake from the front door (DOMAIN section 5)."""

from collections.abc import Iterator
from typing import NamedTuple

MIN_LABEL_DIGITS = 2


class Place(NamedTuple):
    """Column from the door's side and row from the front, both from 1."""

    column: int
    row: int


def snake(columns: int, rows: int) -> Iterator[tuple[int, Place]]:
    """Seat numbers from 1 with their places: down the first column, up the second, and so on."""
    number = 0
    for column in range(1, columns + 1):
        downwards = range(1, rows + 1)
        for row in downwards if column % 2 else reversed(downwards):
            number += 1
            yield number, Place(column, row)


def seat_label(seat_number: int, capacity: int) -> str:
    """'05': as printed and as it stands on the desk, padded to the room's largest number."""
    return f"{seat_number:0{max(MIN_LABEL_DIGITS, len(str(capacity)))}}"
