"""A cluster's database gives services what `zikao up` gives them: no right more, none less."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import asyncpg
import pytest
from support.manifests.documents import ROOT, Document, containers, mounted_files, named, of_kind
from support.postgres import Cluster
from support.service_databases import with_database
from support.services import SERVICES
from zikao_ctl.audit import exit_code, run_audit
from zikao_ctl.embedded_postgres_binaries import program_directory
from zikao_ctl.invariants import RUNNING_REFUND_DEADLINE, AuditPlan
from zikao_kit.audit_verifying import CLEAN
from zikao_kit.migrate import migrate
from zikao_kit.roles import prepare_service, service_dsn

ROLES = ROOT / "deploy" / "k8s" / "components" / "database-roles" / "roles.sql"
PASSWORDS = ROOT / "deploy" / "k8s" / "components" / "postgres" / "passwords.sh"
# What a role is, may and is told; names of the installation left out.
FACTS = """
SELECT role.rolname, role.rolcanlogin, role.rolsuper, role.rolcreatedb, role.rolcreaterole,
       role.rolinherit, role.rolreplication, role.rolbypassrls, role.rolconnlimit,
       (SELECT array_agg(setting ORDER BY setting)
        FROM pg_db_role_setting AS s, unnest(s.setconfig) AS setting
        WHERE s.setrole = role.oid AND s.setdatabase = database.oid) AS settings,
       has_database_privilege(role.oid, database.oid, 'CONNECT') AS connects,
       has_database_privilege(role.oid, database.oid, 'CREATE') AS creates,
       has_database_privilege(role.oid, database.oid, 'TEMPORARY') AS makes_temporary,
       has_schema_privilege(role.oid, 'public', 'USAGE') AS uses_public,
       (SELECT array_agg(nspname::text ORDER BY nspname) FROM pg_namespace
        WHERE nspowner = role.oid) AS schemas,
       (SELECT count(*) FROM pg_auth_members WHERE member = role.oid) AS memberships
FROM pg_roles AS role, pg_database AS database
WHERE database.datname = current_database() AND role.rolname LIKE current_database() || '\\_%'
    AND role.rolname <> current_database() || '_auditor'
ORDER BY role.rolname
"""

MAY = """
SELECT (has_table_privilege($1, 'SELECT'),
    has_table_privilege($1, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES'))
"""
Rendered = dict[str, list[Document]]


@pytest.fixture
async def databases(cluster: Cluster) -> AsyncIterator[tuple[str, str]]:
    """Names of two databases: one empty, one as the kit makes it; dropped at the end."""
    names = (f"k_{uuid4().hex[:8]}", f"i_{uuid4().hex[:8]}")
    await administer(cluster, f"CREATE DATABASE {names[0]} TEMPLATE template0 ENCODING 'UTF8'")
    for service in SERVICES:
        await prepare_service(cluster.admin_dsn, names[1], service, "a-password")
    yield names
    for name in names:
        await administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")
        for role in (*SERVICES, "auditor"):
            await administer(cluster, f"DROP ROLE IF EXISTS {name}_{role}")


async def administer(cluster: Cluster, statement: str) -> None:
    """Run a statement as the administrator."""
    connection = await asyncpg.connect(cluster.admin_dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def facts(dsn: str, name: str) -> list[dict[str, object]]:
    """What the services' roles of a database are, its name left out of theirs."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(FACTS)
    finally:
        await connection.close()
    return [dict(row) | {"rolname": row["rolname"].removeprefix(name)} for row in rows]


async def make_roles(cluster: Cluster, name: str) -> None:
    """What the first start of a cluster's database runs, for a database of another name."""
    connection = await asyncpg.connect(with_database(cluster.admin_dsn, name))
    try:
        await connection.execute(ROLES.read_text().replace("zikao", name))
    finally:
        await connection.close()


async def test_roles_are_those_of_the_kit(
    cluster: Cluster, databases: tuple[str, str], rendered: dict[str, list[Document]]
) -> None:
    """The same attributes, rights, settings and schemas as zikao_kit.roles makes, on PostgreSQL."""
    ours, kits = databases
    await make_roles(cluster, ours)
    found = await facts(with_database(cluster.admin_dsn, ours), ours)
    assert found == await facts(with_database(cluster.admin_dsn, kits), kits)
    assert len(found) == len(SERVICES)
    for overlay in ("overlay-kind", "overlay-province"):
        mounted = named(rendered[overlay], "ConfigMap", "zikao-db-roles")["data"]["roles.sql"]
        assert mounted == ROLES.read_text()


def make_passwords(cluster: Cluster, ours: str, tmp_path: Path) -> dict[str, str]:
    """Run the other script of a first start; return the passwords by the last word of the role."""
    words = {role: f"{role}-' \"$x\\`:y" for role in (*SERVICES, "auditor")}
    for service, word in words.items():
        (tmp_path / service).write_text(word)
    script = PASSWORDS.read_text().replace("/etc/zikao/passwords", str(tmp_path))
    admin = urlsplit(cluster.admin_dsn)
    client = {
        "PATH": f"{program_directory(None)}:{os.environ['PATH']}",
        "PGHOST": admin.hostname or "",
        "PGPORT": str(admin.port or 5432),
        "PGPASSWORD": unquote(admin.password or ""),
        "POSTGRES_USER": unquote(admin.username or ""),
    }
    subprocess.run(
        ["bash", "-c", script.replace("zikao", ours).replace(f"/etc/{ours}", "/etc/zikao")],
        env=os.environ | client,
        check=True,
    )
    return words


async def test_services_migrate_with_the_passwords_they_are_given(
    cluster: Cluster, databases: tuple[str, str], tmp_path: Path
) -> None:
    """After both scripts of a first start each role logs in with its password, however odd."""
    ours, _ = databases
    await make_roles(cluster, ours)
    words = make_passwords(cluster, ours, tmp_path)
    for service in SERVICES:
        dsn = service_dsn(cluster.admin_dsn, ours, service, words[service])
        assert await migrate(dsn, f"zikao_{service}", say=lambda _: None)


async def test_the_auditor_reads_all_and_changes_nothing(
    cluster: Cluster, databases: tuple[str, str], tmp_path: Path, rendered: Rendered
) -> None:
    """It verifies each chain as the nightly Job does, and audits; no table takes anything of it."""
    ours, _ = databases
    await make_roles(cluster, ours)
    words = make_passwords(cluster, ours, tmp_path)
    for service in SERVICES:
        await migrate(
            service_dsn(cluster.admin_dsn, ours, service, words[service]),
            f"zikao_{service}",
            say=lambda _: None,
        )
    dsn = service_dsn(cluster.admin_dsn, ours, "auditor", words["auditor"])
    for service in SERVICES:
        job = named(rendered["overlay-kind"], "CronJob", f"{service}-verify-audit-log")
        ended = run_nightly(rendered["overlay-kind"], job, service, dsn, tmp_path)
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout)["problems"] == []
    plan = AuditPlan(datetime.now(UTC), RUNNING_REFUND_DEADLINE, settled=True)
    results = await run_audit(with_database(dsn, ours), plan)
    assert exit_code(results) == CLEAN, results
    await check_that_nothing_is_written(dsn)


def run_nightly(
    documents: list[Document], job: Document, service: str, dsn: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run what a nightly Job runs, with its configuration and the auditor's connection string."""
    (container,) = containers(job)
    (folder / "dsn").write_text(dsn)
    assert mounted_files(job, container)["/etc/zikao/secrets/dsn"] == (
        "Secret/auditor-secrets",
        "dsn",
    )
    config = next(
        one
        for one in of_kind(documents, "ConfigMap")
        if one["metadata"]["name"].startswith(f"{service}-config")
    )
    text: str = config["data"]["config.yaml"]
    (folder / "config.yaml").write_text(text.replace("/etc/zikao/secrets", str(folder)))
    words = [word.replace("/etc/zikao/config", str(folder)) for word in container["args"]]
    command = [sys.executable, "-m", f"zikao_{service}", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


async def check_that_nothing_is_written(dsn: str) -> None:
    """Also where the role has told its session that it may write."""
    connection = await asyncpg.connect(dsn)
    try:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("DELETE FROM registration.audit_unsealed")
        await connection.execute("SET default_transaction_read_only = off")
        rows = await connection.fetch(
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables"
            " WHERE schemaname = ANY($1)",
            SERVICES,
        )
        assert len(rows) > 50
        for row in rows:
            assert await connection.fetchval(MAY, row["name"]) == (True, False)
        for statement in ("CREATE SCHEMA mine", "CREATE TEMPORARY TABLE mine ()"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()
