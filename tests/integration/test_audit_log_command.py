"""`zikao audit-log`: whatever somebody with all rights does to an audit, it is said where."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from support.audit_logs import NOON, Audit, open_audit
from support.commands import Ended, run_command
from support.postgres import Cluster
from support.service_databases import MakeDatabase
from zikao_ctl.audit_log.command import TABLES
from zikao_kit.audit_chain import Head, Link, genesis, link_hash, link_of
from zikao_kit.audit_reading import LINKS_AT_ONCE, ChainReader, Connection
from zikao_kit.audit_verifying import CLEAN, NOT_CHECKED, VIOLATED, Plan, verify
from zikao_kit.queries import kit_queries

ENTRIES = 10
# Everything is written at noon of 2022; nothing here is old enough to go.
HASH = "decode(repeat('ab', 32), 'hex')"
ADDED = (
    "INSERT INTO {s}.{t} (audit_id, at, actor, role, action, session_code, county_prefix, before,"
    " after) OVERRIDING SYSTEM VALUE"
    " VALUES (99, '2022-02-28', 'o', 'city', 'set_limit', '22.1', '5101', '{{}}', '{{}}')"
)
# What is done to ten sealed entries: the statements, where it is seen, and a part of what is said.
TAMPERED = {
    "a field": (["UPDATE {s}.{t} SET actor = 'nobody' WHERE audit_id = 4"], 4, "not that of"),
    "a value in JSON": (
        ["UPDATE {s}.{t} SET after = jsonb_set(after, '{{a}}', '\"旧\"') WHERE audit_id = 7"],
        7,
        "not that of",
    ),
    "an entry in the middle": (["DELETE FROM {s}.{t} WHERE audit_id = 5"], 5, "gone"),
    "an entry and its link": (
        ["DELETE FROM {s}.{t} WHERE audit_id = 5", "DELETE FROM {s}.audit_chain WHERE number = 5"],
        5,
        "number 6 follows 4",
    ),
    "an entry, and the gap is closed": (
        [
            "DELETE FROM {s}.{t} WHERE audit_id = 5",
            "DELETE FROM {s}.audit_chain WHERE number = 5",
            "UPDATE {s}.audit_chain SET number = -number WHERE number > 5",
            "UPDATE {s}.audit_chain SET number = -number - 1 WHERE number < 0",
        ],
        5,
        "not that of",
    ),
    "an entry more, outside of the chain": ([ADDED], 0, "neither in the chain nor waits"),
    "an entry more, in the chain": (
        [
            ADDED,
            "UPDATE {s}.audit_chain SET number = -number WHERE number > 5",
            "UPDATE {s}.audit_chain SET number = -number + 1 WHERE number < 0",
            f"INSERT INTO {{s}}.audit_chain VALUES (6, 99, now(), {HASH})",
        ],
        6,
        "not that of",
    ),
    "an entry more, at the end": (
        [ADDED, f"INSERT INTO {{s}}.audit_chain VALUES (11, 99, now(), {HASH})"],
        11,
        "not that of",
    ),
    "the order of two": (
        [
            "UPDATE {s}.audit_chain SET number = -1 WHERE number = 3",
            "UPDATE {s}.audit_chain SET number = 3 WHERE number = 4",
            "UPDATE {s}.audit_chain SET number = 4 WHERE number = -1",
        ],
        3,
        "not that of",
    ),
    "when it was sealed": (
        ["UPDATE {s}.audit_chain SET sealed_at = sealed_at - interval '1 day' WHERE number = 2"],
        2,
        "not that of",
    ),
    "the beginning": (
        [
            "UPDATE {s}.audit_anchor SET number = 3, cut_at = now(), sha256 ="
            " (SELECT sha256 FROM {s}.audit_chain WHERE number = 3)",
            "DELETE FROM {s}.{t} WHERE audit_id <= 3",
            "DELETE FROM {s}.audit_chain WHERE number <= 3",
        ],
        3,
        "none tells of it",
    ),
    "the anchor": ([f"UPDATE {{s}}.audit_anchor SET sha256 = {HASH}"], 0, "does not begin"),
    "the anchor itself": (["DELETE FROM {s}.audit_anchor"], 0, "anchor is gone"),
    "an entry that waits": (
        ["INSERT INTO {s}.audit_unsealed VALUES (98)"],
        0,
        "waits for the chain is gone",
    ),
    "an entry to be sealed twice": (["INSERT INTO {s}.audit_unsealed VALUES (3)"], 0, "waits"),
}
TAIL = (
    "DELETE FROM {s}.{t} WHERE audit_id > 8",
    "DELETE FROM {s}.audit_chain WHERE number > 8",
)


@pytest.fixture
async def audit(make_database: MakeDatabase, cluster: Cluster) -> AsyncIterator[Audit]:
    """Ten sealed entries of tickets."""
    async with open_audit(make_database, cluster.admin_dsn, "tickets") as opened:
        await opened.enter(ENTRIES)
        await opened.seal()
        yield opened


async def verified(audit: Audit, *options: str | Path) -> tuple[int, Any]:
    """The exit code of `zikao audit-log verify --json`, and what it says of the service."""
    where = ["--database-url", audit.dsn, "--json"]
    ended = await run_command(["audit-log", "verify", *where, *map(str, options)])
    assert ended.exit_code != NOT_CHECKED, ended.output
    return ended.exit_code, json.loads(ended.output)["services"]["tickets"]


async def refused(*arguments: str | Path) -> Ended:
    """What `zikao audit-log` has come to when it could not do it."""
    ended = await run_command(["audit-log", *map(str, arguments)])
    assert ended.exit_code == NOT_CHECKED, ended.output
    return ended


def documented() -> str:
    """The program of the page."""
    page = Path(__file__).parents[2] / "docs" / "audit-log.md"
    (program,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return str(program)


async def run_python(*arguments: Path) -> tuple[int | None, str]:
    """Exit code and output of a program, without our packages."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", *map(str, arguments),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def rewrite(audit: Audit) -> None:
    """Compute the whole chain anew, as somebody would who has the code and the database."""
    await rewrite_from(audit, genesis("tickets"))


async def rewrite_left(audit: Audit) -> None:
    """The same from where retention has left the chain."""
    (row,) = await audit.rows("SELECT number, sha256 FROM tickets.audit_anchor")
    await rewrite_from(audit, Head(row["number"], bytes(row["sha256"])))


async def rewrite_from(audit: Audit, head: Head) -> None:
    """Compute the chain behind a head anew."""
    async with audit.db.read() as tx:
        rows = await tx.using(kit_queries("tickets")).fetch("list_audit_links", 0, 1000)
    for link in map(link_of, rows):
        assert link.entry is not None
        head = Head(link.number, link_hash(head.hash, link.number, link.sealed_at, link.entry))
        await audit.tamper(
            f"UPDATE {{s}}.audit_chain SET sha256 = '\\x{head.hash.hex()}'"
            f" WHERE number = {link.number}"
        )


@pytest.mark.parametrize("change", TAMPERED)
async def test_what_was_done_to_it_is_seen(audit: Audit, change: str) -> None:
    """And the first entry that does not fit is named."""
    code, before = await verified(audit)
    assert (code, before["problems"], before["entries"]) == (CLEAN, [], ENTRIES)
    statements, number, said = TAMPERED[change]
    await audit.tamper(*statements)
    code, after = await verified(audit)
    assert code == VIOLATED
    assert after["problems"][0]["number"] == number
    assert said in after["problems"][0]["reason"]
    table = await run_command(["audit-log", "verify", "--database-url", audit.dsn])
    assert (table.exit_code, "tickets" in table.output) == (VIOLATED, True)


async def test_checkpoints_witness_what_hashes_cannot(audit: Audit, tmp_path: Path) -> None:
    """A tail cut off and a chain written anew hold by themselves, but not against a file."""
    seen = tmp_path / "heads.jsonl"
    for _ in range(2):
        assert (await verified(audit, "--checkpoint", seen))[0] == CLEAN
    await audit.enter(2)
    await audit.seal()
    for options in ((), ("--since-checkpoint",)):
        code, told = await verified(audit, "--checkpoint", seen, *options)
        assert (code, told["head"]["number"]) == (CLEAN, 12)
    assert told["entries"] == 0
    heads = [json.loads(line)["heads"]["tickets"]["number"] for line in seen.open()]
    assert heads == [10, 10, 12, 12]

    await audit.tamper("UPDATE {s}.{t} SET actor = 'nobody' WHERE audit_id = 6")
    await rewrite(audit)
    assert (await verified(audit))[0] == CLEAN
    for options in ((), ("--since-checkpoint",)):
        code, told = await verified(audit, "--checkpoint", seen, *options)
        assert code == VIOLATED
        assert "written anew" in told["problems"][0]["reason"]
    await audit.tamper(*TAIL)
    assert (await verified(audit))[0] == CLEAN
    other = tmp_path / "other.jsonl"
    assert (await verified(audit, "--checkpoint", other))[0] == CLEAN
    await audit.tamper(
        "DELETE FROM {s}.{t} WHERE audit_id > 7", "DELETE FROM {s}.audit_chain WHERE number > 7"
    )
    for options in ((), ("--since-checkpoint",)):
        code, told = await verified(audit, "--checkpoint", other, *options)
        assert code == VIOLATED
        assert told["problems"][0]["reason"] == "a checkpoint was here, and the chain ends at 7"
    # What is not well adds nothing to the file.
    assert len(other.read_text().splitlines()) == 1


async def test_retention_is_no_break(audit: Audit, tmp_path: Path) -> None:
    """What it removed is told of, and a checkpoint from before still fits, unless it is young."""
    seen = tmp_path / "heads.jsonl"
    assert (await verified(audit, "--checkpoint", seen))[0] == CLEAN
    await audit.enter(1)
    await audit.seal()
    audit.clock.advance(timedelta(days=400))
    await audit.remove_old(timedelta(days=184))
    await audit.seal()
    code, told = await verified(audit, "--checkpoint", seen)
    assert (code, told["from"], told["entries"]) == (CLEAN, 10, 2)
    # The same head, had it been one of half a year ago.
    half_a_year_ago = datetime.now(UTC) - timedelta(days=183)
    await audit.enter(1)
    await audit.seal()
    audit.clock.advance(timedelta(days=400))
    await audit.remove_old(timedelta(days=184))
    await audit.seal()
    text = seen.read_text().replace(NOON.isoformat(), half_a_year_ago.isoformat())
    seen.write_text(text)
    code, told = await verified(audit, "--checkpoint", seen)
    assert code == VIOLATED
    assert told["problems"][0]["reason"] == "a checkpoint was here: removed before its time"


class Overtaken(ChainReader):
    """One that retention overtakes: what it is about to read goes, once."""

    def __init__(self, connection: Connection, audit: Audit) -> None:
        super().__init__(connection, next(each for each in TABLES if each.service == "tickets"))
        self._audit: Audit | None = audit

    async def links(self, behind: int) -> Sequence[Link]:
        """Read what is left."""
        if self._audit is not None:
            audit, self._audit = self._audit, None
            await audit.remove_old(timedelta(days=184))
        return await super().links(behind)


async def test_retention_may_go_on_meanwhile(audit: Audit) -> None:
    """The rest is followed from the new anchor, and nothing is taken for a break."""
    await audit.enter(1)
    await audit.seal()
    audit.clock.advance(timedelta(days=400))
    connection = await asyncpg.connect(audit.dsn)
    try:
        plan = Plan(audit.clock.now(), max_unsealed_seconds=60)
        verdict = await verify(Overtaken(connection, audit), (), plan, lambda *_: None)
    finally:
        await connection.close()
    assert verdict.problems == []
    assert (verdict.start.number, verdict.entries) == (0, 1)


async def test_a_retention_that_is_too_short_is_seen(audit: Audit) -> None:
    """Whoever has the service remove entries of the last half year has that in the audit."""
    await audit.enter(1)
    await audit.seal()
    audit.clock.advance(timedelta(days=150))
    await audit.remove_old(timedelta(days=100))
    await audit.seal()
    code, told = await verified(audit)
    assert code == VIOLATED
    assert told["problems"][0]["reason"] == "entries were removed before their time"


async def test_removals_follow_on_each_other(audit: Audit) -> None:
    """An entry that tells of a removal as somebody wants it does not fit what was told before."""
    await audit.enter(1)
    await audit.seal()
    for days in (200, 100):
        audit.clock.advance(timedelta(days=days))
        await audit.remove_old(timedelta(days=184))
        await audit.enter(1)
        await audit.seal()
    assert (await verified(audit))[0] == CLEAN
    for key, value in (("first", "3"), ("before", '"2020-01-01T00:00:00+08:00"')):
        await audit.tamper(
            f"UPDATE {{s}}.{{t}} SET before = jsonb_set(before, '{{{{{key}}}}}', '{value}')"
            " WHERE audit_id ="
            " (SELECT max(audit_id) FROM {s}.{t} WHERE action = 'remove_old_audit')"
        )
        await rewrite_left(audit)
        code, told = await verified(audit)
        assert code == VIOLATED
        assert "does not follow on what was told before" in told["problems"][0]["reason"]


async def test_what_waits_too_long_is_said(audit: Audit) -> None:
    """An entry that nobody seals: the service does not run, or somebody stopped it."""
    await audit.enter(1)
    code, told = await verified(audit)
    assert (code, told["unsealed"]) == (CLEAN, 1)
    code, told = await verified(audit, "--max-unsealed", "0")
    assert code == VIOLATED
    assert "does the service run?" in told["problems"][0]["reason"]


async def test_more_than_a_page_is_followed(audit: Audit) -> None:
    """Page by page, and a change behind the first page is seen."""
    await audit.rows(
        "INSERT INTO tickets.office_audit (at, actor, role, action, session_code, county_prefix,"
        " before, after) SELECT now(), 'o', 'city', 'set_limit', '22.1', '5101', '{}', '{}'"
        f" FROM generate_series(1, {LINKS_AT_ONCE + 5})"
    )
    await audit.seal()
    code, told = await verified(audit)
    assert (code, told["entries"]) == (CLEAN, ENTRIES + LINKS_AT_ONCE + 5)
    await audit.tamper(f"UPDATE {{s}}.{{t}} SET role = '' WHERE audit_id = {LINKS_AT_ONCE + 9}")
    code, told = await verified(audit)
    assert (code, told["problems"][0]["number"]) == (VIOLATED, LINKS_AT_ONCE + 9)


async def test_an_export_is_checked_by_what_the_page_says(audit: Audit, tmp_path: Path) -> None:
    """The program in docs/audit-log.md, which knows nothing of ours, agrees and sees a change."""
    export = tmp_path / "audit.jsonl"
    ended = await run_command(["audit-log", "export", str(export), "--database-url", audit.dsn])
    assert ended.exit_code == 0, ended.output
    program = tmp_path / "check.py"
    program.write_text(documented(), encoding="utf-8")
    ok = await run_python(program, export)
    assert ok == (0, f"tickets: {ENTRIES} entries hold, head {ENTRIES}\n")
    export.write_text(export.read_text(encoding="utf-8").replace("510104", "510105", 1), "utf-8")
    code, said = await run_python(program, export)
    assert code == 1
    assert "tickets: number 1 does not hold" in said


async def test_what_cannot_be_checked_is_no_success(
    audit: Audit, cluster: Cluster, tmp_path: Path
) -> None:
    """No database, no schema, no chain yet, no checkpoint file: exit code 2 and a sentence."""
    nobody = "postgresql://nobody:x@127.0.0.1:1/zikao"
    for url in (nobody, cluster.admin_dsn):
        assert (await refused("verify", "--database-url", url)).output.startswith("Error: ")
    assert (await refused("verify", "--data", tmp_path / "nothing")).output.startswith("Error: ")
    assert "FILE" in (await refused("verify", "--since-checkpoint")).output
    for text in (
        "no json",
        '{"format": 2, "heads": {}}',
        '{"format": 1, "heads": {"tickets": {}}}',
    ):
        file = tmp_path / "heads.jsonl"
        file.write_text(text)
        said = await refused("verify", "--database-url", audit.dsn, "--checkpoint", file)
        assert "line 1 is no checkpoint" in said.output
    connection = await asyncpg.connect(audit.dsn)
    try:
        await connection.execute("ALTER TABLE tickets.audit_chain RENAME TO gone")
    finally:
        await connection.close()
    said = await refused("verify", "--database-url", audit.dsn)
    assert "have not made its chain yet" in said.output
