"""What everybody looks at: built once for all who ask, not once a call.

At an opening all look at the same seats again and again; building the answer is most of what a
call costs.
"""

from zikao.enrollment.v1 import enrollment_service_pb2 as pb
from zikao_kit.serialized import serialized

from zikao_enrollment.converts.sessions import availability_to_pb, timetable_to_pb
from zikao_enrollment.domain.board import AppliedSession
from zikao_enrollment.views.boards import Boards


class Showcase:
    """The answers of a process, for as long as what they show is the last that is known."""

    def __init__(self, boards: Boards) -> None:
        self._boards = boards
        self._board = boards.current
        self._availability: dict[tuple[str, str], pb.GetAvailabilityResponse] = {}
        self._timetables: dict[str, tuple[AppliedSession, pb.GetTimetableResponse]] = {}

    def availability(self, session_code: str, prefix: str) -> pb.GetAvailabilityResponse:
        """Seats of the counties whose code begins so; raises SESSION_UNKNOWN, UNAVAILABLE."""
        board = self._boards.fresh()
        if board is not self._board:
            self._board, self._availability = board, {}
        answer = self._availability.get((session_code, prefix))
        if answer is None:
            board.require(session_code)
            rows = board.seats_in(session_code, prefix)
            next_release_at = board.next_release_at.get(session_code)
            answer = serialized(availability_to_pb(rows, board.as_of, next_release_at))
            self._availability[session_code, prefix] = answer
        return answer

    def timetable(self, session_code: str) -> pb.GetTimetableResponse:
        """What the session offers; raises SESSION_UNKNOWN."""
        applied = self._boards.current.require(session_code)
        shown, answer = self._timetables.get(session_code, (None, None))
        if shown is not applied or answer is None:
            answer = serialized(timetable_to_pb(applied.session))
            self._timetables[session_code] = applied, answer
        return answer
