"""The session a request names."""

from zikao_kit.errors import SESSION_UNKNOWN, DomainError

from zikao_tickets.domain.session import Session
from zikao_tickets.stores.sessions import SessionStore


async def load_session(store: SessionStore, session_code: str) -> Session:
    """The session; raises DomainError SESSION_UNKNOWN."""
    session = await store.load(session_code)
    if session is None:
        raise DomainError(SESSION_UNKNOWN, session_code=session_code)
    return session
