"""What surely cannot be had, whoever wants it: known without a candidate and without the ledger."""

from collections.abc import Mapping
from datetime import datetime

from zikao_enrollment.domain.allocation import Claim, SeatKey, SoldOut, decide, is_hopeless
from zikao_enrollment.domain.choices import Choice, choice_problems, window_error, without_closed
from zikao_enrollment.domain.timetable import Session, Track


def surely_sold_out(
    session: Session, choice: Choice, free: Mapping[SeatKey, int], now: datetime
) -> SoldOut | None:
    """Why nobody without seats gets any for a choice by what is `free`; None for who may.

    Also None where something else may be wrong than the seats: then it is the ledger's to say
    which, by who the candidate is.
    """
    choice = without_closed(session, choice)
    if not any(_may_choose(session, track, choice, now) for track in Track):
        return None
    slots = frozenset(session.course_by_code[code].slot for code in choice.course_codes)
    claim = Claim(slots, choice.county_codes)
    if not is_hopeless(claim, free):
        return None
    decision = decide(claim, free, None, session.rules)
    return decision if isinstance(decision, SoldOut) else None


def _may_choose(session: Session, track: Track, choice: Choice, now: datetime) -> bool:
    open_now = window_error(session, track, now) is None
    return open_now and not choice_problems(session, track, choice)
