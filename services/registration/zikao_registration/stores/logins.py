"""Logins in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zikao_kit.db import Transaction

from zikao_registration.domain.open_logins import Login
from zikao_registration.domain.revocations import RevocationCursor


@dataclass(frozen=True)
class Revoked:
    """A login that was revoked, and the transaction that did it."""

    login_id: UUID
    revoked_at: datetime
    expires_at: datetime
    xid: str


class LoginStore:
    """One method a query, bound to a running transaction; lock an account before its logins."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    async def insert(self, login: Login) -> None:
        """A login begins."""
        await self._tx.execute(
            "insert_login",
            login.login_id,
            login.account_id,
            login.caller,
            login.restricted,
            login.family_sha256,
            login.refresh_sha256,
            login.created_at,
            login.expires_at,
        )

    async def find(self, login_id: UUID) -> Login | None:
        """A login as it is now; None for one that never was, or lapsed."""
        row = await self._tx.fetchrow("find_login", login_id)
        return Login(**row) if row else None

    async def lock(self, login_id: UUID) -> Login | None:
        """A login, held until the transaction ends; None for one that never was, or lapsed."""
        row = await self._tx.fetchrow("lock_login", login_id)
        return Login(**row) if row else None

    async def rotate(self, login: Login) -> None:
        """Store its new refresh token, and what it may do from now on."""
        await self._tx.execute(
            "rotate_login",
            login.login_id,
            login.family_sha256,
            login.refresh_sha256,
            login.restricted,
            login.used_at,
        )

    async def list_open(self, account_id: UUID, now: datetime) -> list[Login]:
        """The open logins of an account, the newest first."""
        return [Login(**row) for row in await self._tx.fetch("list_open_logins", account_id, now)]

    async def revoke(self, login_id: UUID, account_id: UUID, now: datetime) -> None:
        """End one login of an account, if it is open."""
        await self._tx.execute("revoke_login", login_id, account_id, now)

    async def revoke_surplus(self, account_id: UUID, now: datetime, kept: int) -> None:
        """End all open logins of an account but the `kept` that were used last."""
        await self._tx.execute("revoke_surplus_logins", account_id, now, kept)

    async def count_begun(self, account_id: UUID, since: datetime) -> tuple[int, datetime]:
        """How many logins of an account began after a time, and when the first of them did."""
        row = await self._tx.fetchrow("count_logins", account_id, since)
        assert row is not None  # a count always returns its row
        return row["begun"], row["first_at"]

    async def delete_lapsed(self, now: datetime, limit: int) -> int:
        """Forget up to `limit` logins that have ended by themselves; return how many."""
        return await self._tx.execute("delete_lapsed_logins", now, limit)

    async def delete_revoked(self, revoked_at: datetime, limit: int) -> int:
        """Forget up to `limit` logins that were revoked until then; return how many."""
        return await self._tx.execute("delete_revoked_logins", revoked_at, limit)

    async def current_snapshot(self) -> str:
        """The text of what the database shows now."""
        return str(await self._tx.fetchval("current_snapshot"))

    async def list_revoked(
        self, cursor: RevocationCursor, since: datetime, limit: int
    ) -> list[Revoked]:
        """Up to `limit` logins that were revoked after `since`, from a place on."""
        rows = await self._tx.fetch(
            "list_revoked_logins",
            cursor.seen,
            cursor.showing,
            cursor.after_xid,
            cursor.after_login,
            since,
            limit,
        )
        return [Revoked(**row) for row in rows]
