"""Sites with their rooms and who sits there, page by page."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from zikao_tickets.commands.load_session import load_session
from zikao_tickets.domain.rooms import UsedRoom
from zikao_tickets.domain.session import RoomKey, Site
from zikao_tickets.stores.sessions import SessionStore
from zikao_tickets.stores.sites import SiteStore

DEFAULT_PAGE_SIZE = 20


class SitePage(NamedTuple):
    """Sites in the order in which they are filled, what is known of rooms, and the next token."""

    sites: Sequence[Site]
    rooms: Mapping[RoomKey, UsedRoom]
    next_page_token: str


async def list_sites(
    sessions: SessionStore,
    store: SiteStore,
    area: tuple[str, str],
    page_size: int,
    page_token: str,
) -> SitePage:
    """A page; `area`: the session, and the code that counties begin with.

    Raises DomainError SESSION_UNKNOWN.
    """
    session_code, county_prefix = area
    await load_session(sessions, session_code)
    size = page_size or DEFAULT_PAGE_SIZE
    found = await store.list_page(session_code, county_prefix, int(page_token or 0), size + 1)
    sites = [site for _, site in found[:size]]
    rooms = await store.used_rooms(session_code, {site.code for site in sites})
    return SitePage(sites, rooms, str(found[size - 1][0]) if len(found) > size else "")
