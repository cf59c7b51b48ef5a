"""`zikao-tickets verify-audit-log`: a service's own command for its own chain."""

from __future__ import annotations

import asyncio
import json

from click.testing import CliRunner, Result
from support.audit_logs import open_audit
from support.postgres import Cluster
from support.service_databases import MakeDatabase
from zikao_kit.audit_verifying import CLEAN, NOT_CHECKED, VIOLATED
from zikao_tickets.__main__ import main as tickets

ENTRIES = 5


async def verified_by_the_service(dsn: str) -> Result:
    """What `zikao-tickets verify-audit-log` comes to, told of its database by variables."""
    names = ("CERT_FILE", "KEY_FILE", "CA_FILE")
    env = {f"ZIKAO_TICKETS__SERVER__TLS__{name}": "/nowhere" for name in names}
    for peer in ("REGISTRATION", "ENROLLMENT"):
        env |= {f"ZIKAO_TICKETS__{peer}__TARGET": "x:1", f"ZIKAO_TICKETS__{peer}__SERVER_NAME": "x"}
    env |= {"ZIKAO_TICKETS__SERVER__LISTEN": "127.0.0.1:0", "ZIKAO_TICKETS__DATABASE__DSN": dsn}
    env |= {"ZIKAO_TICKETS__KEY_RING_FILE": "/nowhere"}
    return await asyncio.to_thread(CliRunner().invoke, tickets, ["verify-audit-log"], env=env)


async def test_a_service_verifies_its_own_chain(
    make_database: MakeDatabase, cluster: Cluster
) -> None:
    """By its own configuration, in a line of JSON; the exit code says what was found."""
    async with open_audit(make_database, cluster.admin_dsn, "tickets") as audit:
        await audit.enter(ENTRIES)
        await audit.seal()
        ended = await verified_by_the_service(audit.dsn)
        assert ended.exit_code == CLEAN, ended.output
        told = json.loads(ended.stdout)
        assert (told["service"], told["entries"], told["problems"]) == ("tickets", ENTRIES, [])
        assert told["head"]["number"] == ENTRIES
        await audit.tamper("UPDATE {s}.{t} SET actor = 'nobody' WHERE audit_id = 4")
        ended = await verified_by_the_service(audit.dsn)
        assert ended.exit_code == VIOLATED, ended.output
        assert json.loads(ended.stdout)["problems"][0]["number"] == 4


async def test_what_cannot_be_checked_does_not_hold(cluster: Cluster) -> None:
    """No database, or one without the service's schema, has an exit code of its own."""
    for dsn in ("postgresql://127.0.0.1:1/nothing", cluster.admin_dsn):
        ended = await verified_by_the_service(dsn)
        assert (ended.exit_code, ended.stdout) == (NOT_CHECKED, "")
        assert "not checked" in ended.stderr
