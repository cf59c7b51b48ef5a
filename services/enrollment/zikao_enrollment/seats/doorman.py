"""Refuses from memory what is surely sold out: it costs neither SQL nor a place in a batch.

Sure it is when at one moment, less than a second ago, every county of a choice lacked a seat and
the candidate had no answer yet: whoever had one may be repeating the request that it belongs to,
and is judged by the ledger. Left is who took, within that second, a seat that was freed in it, and
through another process: a repetition of that request may be told SOLD_OUT. Nothing is stored by
it, and the next repetition finds the order.
"""

from typing import NamedTuple

from zikao_kit.clock import Clock
from zikao_kit.errors import DomainError

from zikao_enrollment.commands.seat_batch import sold_out_error
from zikao_enrollment.domain.choices import Choice
from zikao_enrollment.domain.foresight import surely_sold_out
from zikao_enrollment.views.boards import Boards

# Verdicts of one board; there are not many combinations that many people want.
MAX_VERDICTS = 10_000


class _Full(NamedTuple):
    """The metadata of SOLD_OUT."""

    full: str
    detail: str


class Doorman:
    """What a process refuses without asking."""

    def __init__(self, boards: Boards, clock: Clock) -> None:
        self._boards = boards
        self._clock = clock
        self._board = boards.current
        self._verdicts: dict[tuple[str, Choice], _Full | None] = {}

    def refusal(self, session_code: str, candidate: str, choice: Choice) -> DomainError | None:
        """SOLD_OUT for a candidate's choice; None for who may have seats."""
        if candidate in self._boards.answered:
            return None
        verdict = self._fresh_verdict(session_code, choice)
        return verdict and DomainError("SOLD_OUT", full=verdict.full, detail=verdict.detail)

    def is_hopeless(self, session_code: str, choice: Choice) -> bool:
        """Whether a choice is surely sold out, for whoever has had no answer."""
        return self._fresh_verdict(session_code, choice) is not None

    def may_repeat(self, candidate: str) -> bool:
        """Whether the candidate has had an answer, and may be asking for it again."""
        return candidate in self._boards.answered

    def _fresh_verdict(self, session_code: str, choice: Choice) -> _Full | None:
        return self._verdict(session_code, choice) if self._boards.is_fresh() else None

    def _verdict(self, session_code: str, choice: Choice) -> _Full | None:
        """The metadata of the refusal: looked up once for all who want the same."""
        if self._board is not self._boards.current or len(self._verdicts) > MAX_VERDICTS:
            self._board, self._verdicts = self._boards.current, {}
        key = session_code, choice
        if key not in self._verdicts:
            self._verdicts[key] = self._judge(session_code, choice)
        return self._verdicts[key]

    def _judge(self, session_code: str, choice: Choice) -> _Full | None:
        applied = self._board.sessions.get(session_code)
        if applied is None:
            return None
        free = self._board.free.get(session_code, {})
        found = surely_sold_out(applied.session, choice, free, self._clock.now())
        return _Full(**sold_out_error(applied.session, found.full).metadata) if found else None
