"""The session file's settings and sites: as messages, as stored, as values."""

from functools import lru_cache

from google.protobuf.json_format import MessageToJson, Parse
from zikao.tickets.v1 import session_service_pb2
from zikao_kit.convert import time_from_pb, time_to_pb

from zikao_tickets.domain.session import Notice, Session, Slot

SESSIONS_KEPT = 8


def session_from_pb(session: session_service_pb2.TicketsSession) -> Session:
    """The settings without the sites."""
    return Session(
        code=session.code,
        name=session.name,
        time_zone=session.time_zone,
        arrangements_open_at=time_from_pb(session.arrangements_open_at),
        printing_opens_at=time_from_pb(session.printing_opens_at),
        printing_closes_at=time_from_pb(session.printing_closes_at),
        slots=tuple(
            Slot(slot.number, time_from_pb(slot.starts_at), time_from_pb(slot.ends_at))
            for slot in session.slots
        ),
        courses={course.code: course.name for course in session.courses},
        notice=Notice(session.notice.version, tuple(session.notice.paragraphs)),
        dual_control=session.dual_control,
    )


def session_to_pb(session: Session) -> session_service_pb2.TicketsSession:
    """The settings as message, without the sites."""
    return session_service_pb2.TicketsSession(
        code=session.code,
        name=session.name,
        time_zone=session.time_zone,
        arrangements_open_at=time_to_pb(session.arrangements_open_at),
        printing_opens_at=time_to_pb(session.printing_opens_at),
        printing_closes_at=time_to_pb(session.printing_closes_at),
        slots=[
            session_service_pb2.TicketSlot(
                number=slot.number,
                starts_at=time_to_pb(slot.starts_at),
                ends_at=time_to_pb(slot.ends_at),
            )
            for slot in session.slots
        ],
        courses=[
            session_service_pb2.TicketCourse(code=code, name=name)
            for code, name in session.courses.items()
        ],
        notice=session_service_pb2.Notice(
            version=session.notice.version, paragraphs=session.notice.paragraphs
        ),
        dual_control=session.dual_control,
    )


def session_to_json(session: Session) -> str:
    """A session as it is stored: its message in protobuf's JSON, without the sites."""
    return MessageToJson(session_to_pb(session), indent=None, ensure_ascii=False)


@lru_cache(maxsize=SESSIONS_KEPT)
def session_from_json(body: str) -> Session:
    """A session as it was stored; what a newer version has added is passed over.

    Almost every call needs one, and thousands of courses take 30 ms to parse: each text is
    parsed once.
    """
    message = session_service_pb2.TicketsSession()
    return session_from_pb(Parse(body, message, ignore_unknown_fields=True))
