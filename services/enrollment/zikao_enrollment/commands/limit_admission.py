"""An office says how many a waiting room may let in."""

from collections.abc import Mapping
from typing import Any

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

from zikao_enrollment.domain.office_acts import SetAdmissionRate
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.domain.waiting import RoomKey, closed_error
from zikao_enrollment.stores.admissions import AdmissionStore

_Limits = Mapping[str, Any]


async def limit_admission(
    store: AdmissionStore, session: Session, act: SetAdmissionRate, *, dry_run: bool
) -> tuple[_Limits, _Limits]:
    """Limit a room, or see only whether it could be; what was and is in force, for the audit.

    Locks the room. Raises INVALID_REQUEST for a track without one, WAITING_ROOM_CLOSED before it
    has opened.
    """
    window, key = session.window_by_track.get(act.track), RoomKey(session.code, act.track)
    if window is None or window.waiting_room is None:
        problem = FieldProblem("limit.track", "本次考试该类考生没有候场室")
        raise DomainError(INVALID_REQUEST, fields=[problem])
    limits = await store.lock_limits(key)
    if limits is None:
        raise closed_error(window)
    if not dry_run:
        await store.limit(key, float(act.per_second) if act.per_second else None, held=act.hold)
    ceiling, held = limits
    return _told(act, int(ceiling or 0), hold=held), _told(act, act.per_second, hold=act.hold)


def _told(act: SetAdmissionRate, per_second: int, *, hold: bool) -> _Limits:
    return {"track": act.track, "per_second": per_second, "hold": hold}
