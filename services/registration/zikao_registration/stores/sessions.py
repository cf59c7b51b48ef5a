"""Sessions in the database: one method a named query."""

from __future__ import annotations

from datetime import datetime

from zikao_kit.db import ConstraintViolated, Transaction
from zikao_kit.errors import SESSION_UNKNOWN, DomainError

from zikao_registration.converts.registrations import session_from_json, session_to_json
from zikao_registration.domain.session import Session
from zikao_registration.domain.session_changes import refuse_shared_digits


class SessionStore:
    """Bound to the running transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    async def load(self, session_code: str) -> Session:
        """The session that a request or a registration names; raises SESSION_UNKNOWN."""
        body = await self._tx.fetchval("get_session", session_code)
        if body is None:
            raise DomainError(SESSION_UNKNOWN, session_code=session_code)
        return session_from_json(body)

    async def load_all(self) -> list[Session]:
        """Every session."""
        return [session_from_json(row["body"]) for row in await self._tx.fetch("list_sessions")]

    async def hold(self) -> None:
        """Keep every session as it is until the transaction ends; before any other lock.

        For whoever writes what `apply_session` looks for: ticket numbers, counties of
        registrations, profile changes. They do not wait for each other.
        """
        await self._tx.execute("hold_sessions")

    async def lock(self, session_code: str) -> Session | None:
        """The session, None before the first; nobody holds or changes any meanwhile."""
        await self._tx.execute("lock_sessions")
        body = await self._tx.fetchval("get_session", session_code)
        return session_from_json(body) if body else None

    async def save(self, session: Session, now: datetime) -> None:
        """Store settings; SESSION_CHANGE_REFUSED when another session has the same digits."""
        body, digits = session_to_json(session), session.ticket_number_session
        try:
            await self._tx.execute("save_session", session.code, digits, body, now)
        except ConstraintViolated as error:
            if error.constraint != "session_ticket_digits_key":
                raise
            raise refuse_shared_digits(session) from error

    async def shares_digits(self, session: Session) -> bool:
        """Say whether another session has the same digits in its ticket numbers."""
        digits = session.ticket_number_session
        return bool(await self._tx.fetchval("shares_digits", digits, session.code))

    async def shares_older_numbers(self, session: Session) -> bool:
        """Say whether an older candidate's ticket number looks like the session's."""
        pattern = f"^{session.ticket_number_pattern.pattern}$"
        return bool(await self._tx.fetchval("has_older_numbers_like", pattern))

    async def used_counties(self, session_code: str) -> set[str]:
        """Counties with registrations in a session."""
        rows = await self._tx.fetch("list_used_counties", session_code)
        return {row["county_code"] for row in rows}

    async def has_ticket_numbers(self, session_code: str) -> bool:
        """Say whether any ticket number of the session is out."""
        return bool(await self._tx.fetchval("has_ticket_numbers", session_code))

    async def has_open_changes(self, session_code: str) -> bool:
        """Say whether profile changes asked for in the session are still to take effect."""
        return bool(await self._tx.fetchval("has_open_changes", session_code))
