"""Looks at admission passes: while a waiting room is not open, it tells who may submit.

What is surely missing or wrong is refused from memory, for the price of a refusal. Whether a pass
is needed hangs on the candidate's track, which only the batch knows (`commands.seat_batch`): it
refuses whom the gatekeeper has let through without a pass.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from zikao_kit.clock import Clock
from zikao_kit.errors import UNAVAILABLE, DomainError

from zikao_enrollment.domain.passes import Shown
from zikao_enrollment.domain.timetable import Track
from zikao_enrollment.domain.waiting import RoomKey, admitted_at, needs_pass_error
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.waiting.arrivals import Arrivals
from zikao_enrollment.waiting.rooms import Rooms


class Gatekeeper:
    """What a process lets through, and refuses without asking."""

    def __init__(self, boards: Boards, rooms: Rooms, arrivals: Arrivals, clock: Clock) -> None:
        self._boards = boards
        self._rooms = rooms
        self._arrivals = arrivals
        self._clock = clock

    def admitted_to(self, session_code: str, candidate_id: UUID, shown: str) -> Track | None:
        """The track whose room has admitted the candidate; None where nobody needs to be.

        Also None for who may be of a track that needs no pass. Raises ADMISSION_PASS_NEEDED,
        ADMISSION_PASS_INVALID, and UNAVAILABLE when a pass is of a room that was opened elsewhere
        just now.
        """
        now = self._clock.now()
        gated = self._gated(session_code, now)
        if not gated:
            return None
        applied = self._boards.current.sessions[session_code]
        if shown and (pass_ := _parsed(shown)).says.track in gated:
            return self._read(session_code, candidate_id, pass_)
        # A pass of another room is none: whether one is needed the batch knows.
        if any(w.is_open(now) and w.track not in gated for w in applied.session.windows):
            return None
        raise needs_pass_error()

    def is_needed(self, session_code: str) -> bool:
        """Whether passes of some track are looked at now."""
        return bool(self._gated(session_code, self._clock.now()))

    def _gated(self, session_code: str, now: datetime) -> Collection[Track]:
        applied = self._boards.current.sessions.get(session_code)
        if applied is None or not applied.session.has_waiting_room:
            return ()
        return self._rooms.gated(applied.session, now)

    def _read(self, session_code: str, candidate_id: UUID, shown: Shown) -> Track:
        room = self._rooms.rows.get(RoomKey(session_code, shown.says.track))
        if room is None:
            raise DomainError(UNAVAILABLE)
        if not shown.is_of(session_code, room.pass_key):
            raise _invalid("不是本次考试的通行证")
        if shown.says.candidate_id != candidate_id:
            raise _invalid("不是您的通行证")
        if self._clock.now() >= shown.says.expires_at:
            raise _invalid("已过期")
        self._note(room.key, shown.says.number, self._clock.now())
        return shown.says.track

    def _note(self, key: RoomKey, number: int, now: datetime) -> None:
        """Count who comes; another process may have let it in a moment ago."""
        live = self._rooms.live(key)
        turn = admitted_at(live.admissions, number) if live else None
        self._arrivals.note(key, number, now - (turn or now))


def _parsed(text: str) -> Shown:
    try:
        return Shown(text)
    except ValueError:
        raise _invalid("不是通行证") from None


def _invalid(detail: str) -> DomainError:
    return DomainError("ADMISSION_PASS_INVALID", detail=detail)
