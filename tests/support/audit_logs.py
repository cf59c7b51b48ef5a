"""Audits of real services' schemas: entries in them, the chain, and somebody who tampers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import zikao_enrollment.stores.offices
import zikao_tickets.stores.offices
from support.clocks import FixedClock
from support.service_databases import MakeDatabase, database_of, package_of, with_database
from zikao_kit.audit_log import AuditRetention, AuditSealing
from zikao_kit.config import DatabaseConfig
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database, Transaction
from zikao_kit.migrate import open_database
from zikao_kit.office_audit import OfficeAuditStore
from zikao_kit.tokens import Actor
from zikao_registration.stores.registrations import Store
from zikao_registration.workers.retention import note_audit_cuts

TABLES = {"registration": "audit", "enrollment": "office_audit", "tickets": "office_audit"}
KEYS = KeyRing.generate()
# As each service enters that old entries went.
NOTES = {
    "registration": note_audit_cuts(lambda tx: Store(tx, KEYS)),
    "enrollment": zikao_enrollment.stores.offices.note_audit_cut,
    "tickets": zikao_tickets.stores.offices.note_audit_cut,
}
OFFICER = Actor("0d2f7f3e-4d5c-4c8e-9a39-4b9f3a1c2d3e", "county", "510104")
NOON = datetime(2022, 2, 28, 4, tzinfo=UTC)


@dataclass(frozen=True)
class Audit:
    """The audit of one service, in a database of its own."""

    service: str
    dsn: str
    superuser_dsn: str
    db: Database
    clock: FixedClock

    async def enter(self, count: int = 1, tx: Transaction | None = None) -> None:
        """Add entries, a transaction each unless one is given."""
        for number in range(count):
            if tx is not None:
                await self._enter(tx, number)
                continue
            async with self.db.transaction() as own:
                await self._enter(own, number)

    async def seal(self) -> None:
        """Seal all that waits."""
        sealing = AuditSealing(self.db, self.service)
        while await sealing.work():
            pass

    async def remove_old(self, keep: timedelta) -> None:
        """Do what retention does, once."""
        await AuditRetention(self.db, self.service, self.clock, keep, NOTES[self.service]).work()

    async def chain(self) -> list[tuple[int, int]]:
        """The numbers of the chain, and which entry each seals."""
        rows = await self.rows(
            f"SELECT number, audit_id FROM {self.service}.audit_chain ORDER BY number"
        )
        return [(row["number"], row["audit_id"]) for row in rows]

    async def ids(self) -> list[int]:
        """The entries there are."""
        rows = await self.rows(f"SELECT audit_id FROM {self.service}.audit_entry ORDER BY 1")
        return [row["audit_id"] for row in rows]

    async def rows(self, sql: str, *args: Any) -> Sequence[Any]:
        """Ask as the service's own role."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(sql, *args)
        finally:
            await connection.close()

    async def tamper(self, *statements: str) -> None:
        """Change what is there as a superuser, whom no trigger stops."""
        connection = await asyncpg.connect(self.superuser_dsn)
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL session_replication_role = replica")
                for statement in statements:
                    await connection.execute(
                        statement.format(s=self.service, t=TABLES[self.service])
                    )
        finally:
            await connection.close()

    async def _enter(self, tx: Transaction, number: int) -> None:
        now, before = self.clock.now(), {"limit": number, "说明": "改\\前"}
        if self.service == "registration":
            # Of nobody, and of one who may never have been there: entries keep ids alone.
            await tx.execute(
                "insert_audit", now, OFFICER.subject, OFFICER.role, "set_limit",
                [UUID(int=number) if number % 2 else None], *_texts(before), "510104",
            )  # fmt: skip
            return
        await OfficeAuditStore(tx, self.service).add(
            OFFICER,
            "set_limit",
            now,
            session_code="22.1",
            county_prefix="510104",
            before=before,
            after={"b": [1, None, True], "a": "“新”\n"},
        )


def _texts(before: Any) -> tuple[str, str]:
    return json.dumps(before, ensure_ascii=False), '{"b": [1, null, 0.50], "a": "\\u00e9\\n"}'


async def let_young_go(superuser_dsn: str, *, may: bool) -> None:
    """Have the database let entries go that were sealed just now, as where a clock is moved."""
    name = database_of(superuser_dsn)
    connection = await asyncpg.connect(superuser_dsn)
    try:
        setting = "SET zikao.young_audit_may_go = on" if may else "RESET zikao.young_audit_may_go"
        await connection.execute(f"ALTER DATABASE {name} {setting}")
    finally:
        await connection.close()


@asynccontextmanager
async def open_audit(
    make_database: MakeDatabase, admin_dsn: str, service: str
) -> AsyncIterator[Audit]:
    """Yield the audit of a service that has done nothing yet, and whose clock may be moved."""
    dsn = await make_database(service)
    superuser = with_database(admin_dsn, database_of(dsn))
    await let_young_go(superuser, may=True)
    async with open_database(DatabaseConfig(dsn=dsn), package_of(service)) as db:
        yield Audit(service, dsn, superuser, db, FixedClock(NOON))
