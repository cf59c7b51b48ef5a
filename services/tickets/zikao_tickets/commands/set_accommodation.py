"""An office notes what a candidate needs in the room (DOMAIN section 5)."""

from datetime import datetime
from typing import NamedTuple

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_tickets.commands.load_session import load_session
from zikao_tickets.domain.accommodation import Need, masked
from zikao_tickets.store import OfficeStore
from zikao_tickets.stores.accommodations import AccommodationStore


class NamedCandidate(NamedTuple):
    """Whose ticket number it is among those who sit in a county."""

    session_code: str
    county_code: str
    ticket_number: str


async def set_accommodation(
    store: OfficeStore,
    accommodations: AccommodationStore,
    candidate: NamedCandidate,
    need: Need | None,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """Note a need, or (None) that there is none any more; audited, also when it was so before.

    Raises DomainError SESSION_UNKNOWN, CANDIDATE_NOT_ENROLLED.
    """
    session = await load_session(store.sessions, candidate.session_code)
    candidate_id = await accommodations.find_candidate(*candidate)
    if candidate_id is None:
        raise DomainError("CANDIDATE_NOT_ENROLLED")
    before = await accommodations.find(session.code, candidate_id)
    if need is None:
        await accommodations.delete(session.code, candidate_id)
    else:
        await accommodations.save(
            session.code,
            candidate.county_code,
            candidate_id,
            need,
            officer=actor.subject,
            now=now,
        )
    number = masked(candidate.ticket_number)
    await store.audit.add(
        actor,
        "set_accommodation",
        now,
        session_code=session.code,
        county_prefix=candidate.county_code,
        before={"ticket_number": number, "need": before},
        after={"ticket_number": number, "need": need},
    )
