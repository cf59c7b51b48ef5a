"""The audit's chain: every entry once, in an order without gaps, and nobody changes it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from importlib import resources

import asyncpg
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from support.audit_logs import NOON, TABLES, Audit, let_young_go, open_audit
from support.postgres import Cluster
from support.service_databases import MakeDatabase
from support.services import SERVICES
from zikao_kit.audit_chain import Head, first_break, genesis, link_of
from zikao_kit.audit_log import SEALED_AT_ONCE, AuditSealing, AuditWatch
from zikao_kit.config import LEAST_AUDIT_RETENTION_DAYS
from zikao_kit.queries import kit_queries

WRITERS, ENTRIES_EACH = 6, 20
FIRST_CHAINED = {"registration": "0005", "enrollment": "0024", "tickets": "0019"}
LONG_AGO = timedelta(days=400)
KEPT = timedelta(days=184)


@pytest.fixture(params=SERVICES)
async def audit(
    request: pytest.FixtureRequest, make_database: MakeDatabase, cluster: Cluster
) -> AsyncIterator[Audit]:
    """The audit of each service."""
    async with open_audit(make_database, cluster.admin_dsn, request.param) as opened:
        yield opened


@pytest.fixture
async def one(make_database: MakeDatabase, cluster: Cluster) -> AsyncIterator[Audit]:
    """The audit of one service, where all are alike."""
    async with open_audit(make_database, cluster.admin_dsn, "tickets") as opened:
        yield opened


def metric(name: str) -> float | None:
    """What a scrape would read."""
    return REGISTRY.get_sample_value(f"zikao_audit_log_{name}")


async def holds(audit: Audit, start: Head) -> Head:
    """Follow the whole chain from `start`, and return where it ends."""
    async with audit.db.read() as tx:
        rows = await tx.using(kit_queries(audit.service)).fetch("list_audit_links", 0, 10_000)
    head, broken = first_break(start, map(link_of, rows))
    assert broken is None
    return head


async def test_entries_are_sealed_in_order(audit: Audit) -> None:
    """Of each service, more than one round takes, with the metrics that show it."""
    count = SEALED_AT_ONCE + 5
    async with audit.db.transaction() as tx:
        await audit.enter(count, tx)
    sealing = AuditSealing(audit.db, audit.service)
    sealed_before = metric("sealed_total") or 0
    with capture_logs() as logs:
        assert await sealing.work()
        assert metric("unsealed") == count
        assert not await sealing.work()
        assert not await sealing.work()
    assert metric("unsealed") == 0
    assert metric("oldest_unsealed_seconds") == 0
    assert metric("sealed_total") == sealed_before + count
    ids = await audit.ids()
    assert await audit.chain() == list(enumerate(ids, 1))
    head = await holds(audit, genesis(audit.service))
    assert (head.number, metric("head_number")) == (count, count)
    assert metric("head_hash48") == int.from_bytes(head.hash[:6], "big")
    told = [each for each in logs if each["event"] == "audit sealed"]
    assert sum(each["entries"] for each in told) == count
    assert (told[-1]["number"], told[-1]["hash"]) == (count, head.hash.hex())


async def test_what_is_committed_late_is_sealed_late(one: Audit) -> None:
    """The order of numbers is not that of commits: no entry is passed over for good."""
    async with one.db.transaction() as slow:
        await one.enter(1, slow)
        await one.enter(1)
        await one.seal()
        (early,) = [audit_id for _, audit_id in await one.chain()]
    await one.seal()
    late, other = await one.ids()
    assert other == early
    assert await one.chain() == [(1, early), (2, late)]
    await holds(one, genesis("tickets"))


class Undone(Exception):  # noqa: N818 - it is what happens
    """Rolls a transaction back."""


async def test_several_seal_while_many_write(one: Audit) -> None:
    """Each entry is sealed once, none that was rolled back, and the chain has no gap."""

    async def write(writer: int) -> None:
        for number in range(ENTRIES_EACH):
            with suppress(Undone):
                async with one.db.transaction() as tx:
                    await one.enter(1, tx)
                    if (writer + number) % 5 == 0:
                        raise Undone

    async def seal() -> None:
        sealing = AuditSealing(one.db, "tickets")
        while True:
            await sealing.work()
            await asyncio.sleep(0)

    sealers = [asyncio.create_task(seal()) for _ in range(2)]
    await asyncio.gather(*map(write, range(WRITERS)))
    for task in sealers:
        task.cancel()
    await asyncio.gather(*sealers, return_exceptions=True)
    await one.seal()
    chain, ids = await one.chain(), await one.ids()
    assert len(ids) == WRITERS * ENTRIES_EACH * 4 // 5
    assert sorted(audit_id for _, audit_id in chain) == ids
    assert [number for number, _ in chain] == list(range(1, len(ids) + 1))
    await holds(one, genesis("tickets"))


async def test_the_database_refuses_changes(audit: Audit) -> None:
    """The service's own role changes, deletes and truncates neither entries nor the chain."""
    await audit.enter(2)
    await audit.seal()
    await audit.enter(1)
    s, t = audit.service, TABLES[audit.service]
    for statement in (
        f"UPDATE {s}.{t} SET actor = 'nobody'",
        f"DELETE FROM {s}.{t}",
        f"TRUNCATE {s}.{t}",
        f"DELETE FROM {s}.audit_entry",
        f"UPDATE {s}.audit_chain SET sealed_at = now()",
        f"DELETE FROM {s}.audit_chain",
        f"TRUNCATE {s}.audit_chain",
        f"UPDATE {s}.audit_anchor SET number = 1",
        f"DELETE FROM {s}.audit_anchor",
        f"UPDATE {s}.audit_unsealed SET noted_at = now()",
        f"DELETE FROM {s}.audit_unsealed",
        f"TRUNCATE {s}.audit_unsealed",
        f"SELECT {s}.cut_audit(1, '{NOON.isoformat()}', now())",
        f"INSERT INTO {s}.audit_unsealed VALUES (-1)",
        f"INSERT INTO {s}.audit_unsealed SELECT audit_id FROM {s}.audit_chain",
        f"INSERT INTO {s}.audit_chain SELECT 9, 9, now() - interval '1 day', sha256"
        f" FROM {s}.audit_anchor",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await audit.rows(statement)
    assert len(await audit.ids()) == 3


@pytest.mark.parametrize("service", SERVICES)
async def test_what_was_there_before_is_sealed(empty_database: str, service: str) -> None:
    """Entries from before the migration wait for the chain, and those of older code do after it."""
    folder = resources.files(f"zikao_{service}") / "sql" / "migrations"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    column = "county_code" if service == "registration" else "session_code, county_prefix"
    values = "'5101'" if service == "registration" else "'22.1', '5101'"
    entry = (
        f"INSERT INTO {service}.{TABLES[service]} (at, actor, role, action, {column},"
        f" before, after) VALUES (now(), 'o', 'city', 'set_limit', {values}, '{{}}', '{{}}')"
    )
    db = await asyncpg.connect(empty_database)
    try:
        for file in files:
            if file.name[:4] == FIRST_CHAINED[service]:
                await db.execute(entry)
                await db.execute(entry)
            await db.execute(file.read_text(encoding="utf-8"))
        await db.execute(entry)
        waiting = await db.fetch(f"SELECT audit_id FROM {service}.audit_unsealed ORDER BY 1")
        known = await db.fetch(f"SELECT audit_id FROM {service}.audit_entry ORDER BY 1")
        assert len(known) == 3
        assert waiting == known
        anchor = await db.fetchrow(f"SELECT number, sha256 FROM {service}.audit_anchor")
        assert anchor is not None
        assert Head(anchor[0], anchor[1]) == genesis(service)
    finally:
        await db.close()


async def test_old_entries_go_and_the_chain_leads_on(audit: Audit) -> None:
    """The oldest in one piece, up to the first that is young enough; the audit says which went."""
    await audit.enter(3)
    audit.clock.advance(LONG_AGO)
    await audit.enter(1)
    audit.clock.advance(-LONG_AGO)
    await audit.enter(1)
    await audit.seal()
    await audit.enter(1)
    before = await holds(audit, genesis(audit.service))
    audit.clock.advance(LONG_AGO)
    await audit.remove_old(timedelta(0))
    assert len(await audit.ids()) == 6
    await audit.remove_old(KEPT)
    # Three were old; the fifth is, too, and stands behind one that is not. The sixth is not sealed.
    assert [number for number, _ in await audit.chain()] == [4, 5]
    (anchor,) = await audit.rows(f"SELECT * FROM {audit.service}.audit_anchor")
    start = Head(anchor["number"], bytes(anchor["sha256"]))
    assert start.number == 3
    assert await holds(audit, start) == before
    await audit.seal()
    assert (await holds(audit, start)).number == 7
    (said,) = await audit.rows(
        f"SELECT before::text FROM {audit.service}.audit_entry WHERE action = 'remove_old_audit'"
    )
    assert f'"hash": "{start.hash.hex()}"' in said["before"]
    await audit.remove_old(KEPT)
    assert len(await audit.chain()) == 4


async def test_the_watch_sees_a_changed_entry(one: Audit) -> None:
    """Within the newest part, and says so as long as it is there."""
    await one.enter(3)
    await one.seal()
    watch = AuditWatch(one.db, "tickets")
    await watch.work()
    assert metric("broken") == 0
    await one.tamper("UPDATE {s}.{t} SET actor = 'nobody' WHERE audit_id = 2")
    await watch.work()
    assert metric("broken") == 1
    await watch.work()
    assert metric("broken") == 1


async def test_the_watch_sees_a_tail_cut_off(one: Audit) -> None:
    """What is left holds by itself, but does not lead on from where the process saw it."""
    await one.enter(3)
    await one.seal()
    watch = AuditWatch(one.db, "tickets")
    await watch.work()
    cut = ("DELETE FROM {s}.audit_chain WHERE number > 2", "DELETE FROM {s}.{t} WHERE audit_id > 2")
    await one.tamper(*cut)
    await watch.work()
    assert metric("broken") == 1
    # Nor when as many others have taken their place.
    await one.enter(2)
    await one.seal()
    await watch.work()
    assert metric("broken") == 1
    fresh = AuditWatch(one.db, "tickets")
    await fresh.work()
    assert metric("broken") == 0


async def test_what_was_sealed_lately_stays(audit: Audit) -> None:
    """Whatever the service's clock and its role say: the database goes by the real clock."""
    await audit.enter(4)
    await audit.seal()
    await let_young_go(audit.superuser_dsn, may=False)
    audit.clock.advance(LONG_AGO)
    await audit.remove_old(KEPT)
    s, name = audit.service, (await audit.rows("SELECT current_database()"))[0][0]
    on = f"SET {s}.cutting_audit = on; SET zikao.young_audit_may_go = on"
    connection = await asyncpg.connect(audit.dsn)
    try:
        for whose in (f"DATABASE {name}", "ROLE CURRENT_USER"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"ALTER {whose} SET zikao.young_audit_may_go = on")
        for statement in (
            f"SELECT {s}.cut_audit(3, 'infinity', now())",
            f"{on}; DELETE FROM {s}.audit_chain WHERE number < 4",
        ):
            with pytest.raises(asyncpg.RestrictViolationError, match="last six months"):
                await connection.execute(statement)
        kept = await connection.fetchval(f"SELECT clock_timestamp() - {s}.audit_kept_since()")
    finally:
        await connection.close()
    assert round(kept / timedelta(days=1)) == LEAST_AUDIT_RETENTION_DAYS
    assert [number for number, _ in await audit.chain()] == [1, 2, 3, 4]
    # Where whoever owns the database has said so, a rehearsal may remove them.
    await let_young_go(audit.superuser_dsn, may=True)
    await audit.remove_old(KEPT)
    assert [number for number, _ in await audit.chain()] == [4]


async def test_the_watch_sees_young_entries_removed(one: Audit) -> None:
    """The rest leads on from the anchor, but what is gone was too young to go."""
    await one.enter(4)
    await one.seal()
    await let_young_go(one.superuser_dsn, may=False)
    watch = AuditWatch(one.db, "tickets")
    await watch.work()
    assert metric("broken") == 0
    # By somebody whom no trigger stops, as the service's function would do it.
    await one.tamper("SELECT set_config('tickets.cutting_audit', 'on', true)", *REMOVED_YOUNG)
    await holds(one, await anchor_of(one))
    with capture_logs() as logs:
        await watch.work()
        await watch.work()
    assert metric("broken") == 1
    assert {each["reason"] for each in logs} == {"entries were removed before their time"}


REMOVED_YOUNG = (
    "UPDATE {s}.audit_anchor AS anchor SET number = link.number, sha256 = link.sha256"
    " FROM {s}.audit_chain AS link WHERE link.number = 2",
    "DELETE FROM {s}.{t} WHERE audit_id <= 2",
    "DELETE FROM {s}.audit_chain WHERE number <= 2",
)


async def anchor_of(audit: Audit) -> Head:
    """Where the chain begins."""
    (row,) = await audit.rows(f"SELECT number, sha256 FROM {audit.service}.audit_anchor")
    return Head(row["number"], bytes(row["sha256"]))


async def test_what_was_old_enough_is_no_break(one: Audit) -> None:
    """The watch knows up to where entries may go, wherever that is."""
    await one.enter(9)
    await one.seal()
    await let_young_go(one.superuser_dsn, may=False)
    for old in (0, 1, 4, 8, 9):
        await one.tamper(
            "UPDATE {s}.audit_chain SET sealed_at = now() - interval '185 days'"
            f" WHERE number <= {old}"
        )
        async with one.db.read() as tx:
            found = await tx.using(kit_queries("tickets")).fetchval("find_last_old_audit")
        assert found == old


async def test_a_watch_that_cannot_look_says_so(one: Audit) -> None:
    """Neither "holds" nor an old answer is shown, and the time of the last look stands still."""
    await one.enter(1)
    await one.seal()
    watch = AuditWatch(one.db, "tickets")
    await watch.work()
    assert metric("broken") == 0
    looked = metric("looked_timestamp_seconds")
    assert looked
    await one.tamper("ALTER TABLE {s}.audit_chain RENAME TO gone")
    with pytest.raises(asyncpg.UndefinedTableError):
        await watch.work()
    assert math.isnan(metric("broken") or 0)
    assert metric("looked_timestamp_seconds") == looked


async def test_nothing_stands_before_what_waits(one: Audit) -> None:
    """Whoever is the service's role has nothing that is no entry wait, nor an entry since when."""
    await one.enter(1)
    await one.rows("INSERT INTO tickets.audit_unsealed SELECT 1 WHERE false")
    (row,) = await one.rows("SELECT noted_at <= clock_timestamp() FROM tickets.audit_unsealed")
    assert row[0]
    with pytest.raises(asyncpg.RestrictViolationError, match="no entry"):
        await one.rows(
            "INSERT INTO tickets.audit_unsealed SELECT -number FROM generate_series(1, $1) number",
            SEALED_AT_ONCE,
        )
    await one.tamper("DELETE FROM {s}.audit_unsealed")
    await one.rows(
        "INSERT INTO tickets.audit_unsealed SELECT max(audit_id), 'infinity'"
        " FROM tickets.office_audit"
    )
    (row,) = await one.rows("SELECT noted_at <= clock_timestamp() FROM tickets.audit_unsealed")
    assert row[0]
    await one.seal()
    assert len(await one.chain()) == 1


async def test_other_services_cannot_hold_the_chain(one: Audit) -> None:
    """Advisory locks, which need no right, do not stop sealing: the lock is a row of the schema."""
    await one.enter(1)
    connection = await asyncpg.connect(one.dsn)
    try:
        for name in ("tickets.audit_chain", "tickets.audit_retention"):
            await connection.execute(f"SELECT pg_advisory_lock(hashtext('{name}'))")
        await one.seal()
        assert len(await one.chain()) == 1
    finally:
        await connection.close()
