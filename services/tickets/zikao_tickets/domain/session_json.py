"""A session as it is stored: JSON with ISO 8601 times."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from zikao_tickets.domain.session import Notice, Session, Slot

_TIMES = ("enrollment_closes_at", "printing_opens_at", "printing_closes_at")


def session_to_json(session: Session) -> dict[str, Any]:
    """The JSON object of a session."""
    return {
        "code": session.code,
        "name": session.name,
        "time_zone": session.time_zone,
        **{field: getattr(session, field).isoformat() for field in _TIMES},
        "slots": [
            [slot.number, slot.starts_at.isoformat(), slot.ends_at.isoformat()]
            for slot in session.slots
        ],
        "courses": dict(session.courses),
        "notice": [session.notice.version, list(session.notice.paragraphs)],
    }


def session_from_json(body: Mapping[str, Any]) -> Session:
    """The inverse."""
    version, paragraphs = body["notice"]
    return Session(
        code=body["code"],
        name=body["name"],
        time_zone=body["time_zone"],
        **{field: datetime.fromisoformat(body[field]) for field in _TIMES},
        slots=tuple(
            Slot(number, datetime.fromisoformat(starts), datetime.fromisoformat(ends))
            for number, starts, ends in body["slots"]
        ),
        courses=body["courses"],
        notice=Notice(version, tuple(paragraphs)),
    )
