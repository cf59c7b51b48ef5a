"""Seats on their way into the table: drawn, put into lines and counted in a solving process."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from zikao_kit.collecting import collecting_later

from zikao_tickets.domain.late_seating import recounted
from zikao_tickets.domain.material import seats_sha256
from zikao_tickets.domain.plan import Figures, Plan
from zikao_tickets.domain.roster import Roster
from zikao_tickets.domain.seating import Seat, draw

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True)
class DrawnSeats:
    """The seats of an arrangement as COPY reads them, how many they are, and their digest.

    `figures` are the plan's, with what only the draw of late changes tells.
    """

    rows: bytes
    candidates: int
    sittings: int
    sha256: bytes
    figures: Figures


@dataclass(frozen=True)
class SeatDraw:
    """A draw that is to be done; `published` has the seats that a late plan changes."""

    arrangement_id: UUID
    session_code: str
    plan: Plan
    roster: Roster
    seed: bytes
    published: Sequence[Seat]

    @collecting_later()
    def drawn(self) -> DrawnSeats:
        """Who sits where. Raises ValueError when the plan is another roster's."""
        plan, roster = self.plan, self.roster
        seats = draw(plan, roster, self.seed, self.published)
        figures = plan.figures
        if plan.is_late:
            figures = recounted(plan, roster, seats, self.published)
        return DrawnSeats(
            seat_rows(self.arrangement_id, self.session_code, seats),
            roster.candidates,
            len(seats),
            seats_sha256(seats),
            figures,
        )


def seat_rows(arrangement_id: UUID, session_code: str, seats: Sequence[Seat]) -> bytes:
    """A line a seat, as COPY reads them."""
    beginning = f"{arrangement_id}\t{_escaped(session_code)}"
    return "".join(
        f"{beginning}\t{slot}\t{_escaped(site)}\t{_escaped(room)}\t{number}\t{candidate}"
        f"\t{_escaped(course)}\t{'t' if late else 'f'}\n"
        for slot, site, room, number, candidate, course, late in seats
    ).encode()


# Few texts, each in very many seats.
@lru_cache(maxsize=10_000)
def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
