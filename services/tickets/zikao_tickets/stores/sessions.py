"""Settings of sessions; bound to the running transaction."""

from datetime import datetime

from zikao_kit.db import Transaction

from zikao_tickets.converts.sessions import session_from_json, session_to_json
from zikao_tickets.domain.session import Session


class SessionStore:
    """One method a named query."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def load(self, session_code: str) -> Session | None:
        """The session, or None when it has not been applied."""
        body = await self._tx.fetchval("load_session", session_code)
        return session_from_json(body) if body else None

    async def lock(self, session_code: str) -> Session | None:
        """The session, locked against another apply."""
        body = await self._tx.fetchval("lock_session", session_code)
        return session_from_json(body) if body else None

    async def any_dual_control(self) -> bool:
        """Whether some session wants a second officer for what offices do."""
        return bool(await self._tx.fetchval("any_dual_control"))

    async def save(self, session: Session, now: datetime) -> None:
        """Insert or replace the settings."""
        await self._tx.execute("save_session", session.code, session_to_json(session), now)

    async def courses_in_use(self, session_code: str) -> set[tuple[int, str]]:
        """Slot and course of every sitting."""
        rows = await self._tx.fetch("list_courses_in_use", session_code)
        return {(row["slot"], row["course_code"]) for row in rows}

    async def courses_seated(self, session_code: str) -> set[tuple[int, str]]:
        """Slot and course of every seat that is in force or approved."""
        rows = await self._tx.fetch("list_courses_seated", session_code)
        return {(row["slot"], row["course_code"]) for row in rows}
