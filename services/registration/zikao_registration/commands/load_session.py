"""The session a request or a registration names."""

from zikao_kit.errors import DomainError

from zikao_registration.domain.session import Session
from zikao_registration.store import Store


async def load_session(store: Store, session_code: str) -> Session:
    """The session; raises DomainError SESSION_UNKNOWN."""
    session = await store.get_session(session_code)
    if session is None:
        raise DomainError("SESSION_UNKNOWN", session_code=session_code)
    return session
