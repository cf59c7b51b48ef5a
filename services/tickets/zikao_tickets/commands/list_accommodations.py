"""What candidates of a county need, page by page."""

from collections.abc import Sequence

from zikao_tickets.commands.load_session import load_session
from zikao_tickets.domain.accommodation import Accommodation
from zikao_tickets.stores.accommodations import AccommodationStore
from zikao_tickets.stores.sessions import SessionStore

DEFAULT_PAGE_SIZE = 50


async def list_accommodations(
    sessions: SessionStore,
    store: AccommodationStore,
    county: tuple[str, str],
    page_size: int,
    page_token: str,
) -> tuple[Sequence[Accommodation], str]:
    """A page by ticket number, and the token of the next, empty after the last.

    `county`: the session and the county. Raises DomainError SESSION_UNKNOWN.
    """
    session_code, county_code = county
    await load_session(sessions, session_code)
    size = page_size or DEFAULT_PAGE_SIZE
    found = await store.list_page(session_code, county_code, page_token, size + 1)
    return found[:size], found[size - 1].ticket_number if len(found) > size else ""
