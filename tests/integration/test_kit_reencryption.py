"""Rotation of the key of personal data: by commands, on a real database, beside writers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
import structlog
from click.testing import CliRunner, Result
from google.protobuf.wrappers_pb2 import BytesValue
from support.service import until
from zikao_kit.cli import service_cli
from zikao_kit.config import DatabaseConfig, LogConfig, TracingConfig
from zikao_kit.crypto import DecryptionFailed, KeyRing
from zikao_kit.key_commands import RETIRE_AFTER_SECONDS, add_key_commands
from zikao_kit.reencryption import SealedColumn, count_by_key, reencrypt

SCHEMA = """
CREATE SCHEMA kept;
CREATE TABLE kept.person (person_id uuid PRIMARY KEY, data_enc bytea);
CREATE TABLE kept.answer (
    actor text, request_id uuid, response bytea, PRIMARY KEY (actor, request_id)
);
"""
PERSON = SealedColumn("kept.person", "data_enc", ("person_id",), "kept.person:{person_id}")
ANSWER = SealedColumn(
    "kept.answer", "response", ("actor", "request_id"), "kept.answer:{request_id}", wrapped=True
)
SEALED = (PERSON, ANSWER)
# Lengths around those at which the wrapping's own length takes another byte.
SIZES = [0, 1, 90, 200, 16_300, 16_400, 2_200_000]
# The user nobody; only root gives files away.
SOMEBODY = 65534
OPERATOR_WAITED = 2 * RETIRE_AFTER_SECONDS


@dataclass(frozen=True)
class KeptConfig:
    """What the commands need."""

    database: DatabaseConfig
    key_ring_file: Path
    log: LogConfig = field(default_factory=LogConfig)
    tracing: TracingConfig = field(default_factory=TracingConfig)


@dataclass
class Kept:
    """A database with encrypted rows, its key file, and the operator's commands."""

    dsn: str
    folder: Path
    people: dict[UUID, bytes] = field(default_factory=dict)

    @property
    def key_file(self) -> Path:
        """The ring's file."""
        return self.folder / "keys.yaml"

    @property
    def keys(self) -> KeyRing:
        """What the file says now."""
        return KeyRing.from_file(self.key_file)

    def command(self, *args: str) -> Result:
        """Run a command of the service."""
        config = self.folder / "config.yaml"
        config.write_text(f"database: {{dsn: '{self.dsn}'}}\nkey_ring_file: {self.key_file}\n")

        async def serve(_: KeptConfig) -> None:
            raise AssertionError("nothing serves here")

        cli = service_cli("zikao_kept", KeptConfig, serve)
        add_key_commands(cli, "zikao_kept", KeptConfig, SEALED)
        return CliRunner().invoke(cli, [args[0], f"--config={config}", *args[1:]])

    def wait(self) -> None:
        """Let the time pass in which services read the key file again."""
        stat = self.key_file.stat()
        os.utime(self.key_file, (stat.st_atime, stat.st_mtime - OPERATOR_WAITED))

    async def fill(self, keys: KeyRing) -> None:
        """Insert rows of every size in both columns, and one of NULLs."""
        connection = await asyncpg.connect(self.dsn)
        for size in SIZES:
            row_id, plain = uuid4(), os.urandom(size)
            self.people[row_id] = plain
            person = keys.encrypt(plain, f"kept.person:{row_id}")
            answer = BytesValue(value=keys.encrypt(plain, f"kept.answer:{row_id}"))
            await connection.execute("INSERT INTO kept.person VALUES ($1, $2)", row_id, person)
            await connection.execute(
                "INSERT INTO kept.answer VALUES ('a', $1, $2)", row_id, answer.SerializeToString()
            )
        await connection.execute("INSERT INTO kept.person VALUES ($1, NULL)", uuid4())
        await connection.close()

    async def require_all(self, keys: KeyRing) -> None:
        """Decrypt everything and compare it with what was put in."""
        connection = await asyncpg.connect(self.dsn)
        people = await connection.fetch("SELECT * FROM kept.person WHERE data_enc IS NOT NULL")
        answers = await connection.fetch("SELECT * FROM kept.answer")
        await connection.close()
        for row in people:
            plain = keys.decrypt(row["data_enc"], f"kept.person:{row['person_id']}")
            assert plain == self.people[row["person_id"]]
        for row in answers:
            sealed = BytesValue.FromString(row["response"]).value
            plain = keys.decrypt(sealed, f"kept.answer:{row['request_id']}")
            assert plain == self.people[row["request_id"]]


@pytest.fixture
def kept(empty_database: str, tmp_path: Path) -> Iterator[Kept]:
    """Rows under the first key."""

    async def create() -> None:
        connection = await asyncpg.connect(empty_database)
        await connection.execute(SCHEMA)
        await connection.close()

    found = Kept(empty_database, tmp_path)
    KeyRing.generate().write(found.key_file)
    asyncio.run(create())
    asyncio.run(found.fill(found.keys))
    yield found
    structlog.reset_defaults()


def counts_of(kept: Kept) -> dict[str, int]:
    """How many blobs are under each key."""
    counts = asyncio.run(count_by_key(kept.dsn, SEALED))
    return {key_id: held.total() for key_id, held in counts.items()}


def test_the_whole_rotation(kept: Kept) -> None:
    """A new key, everything under it, the old one gone: nothing is lost, of any size."""
    rotated = kept.command("rotate-key")
    assert rotated.exit_code == 0
    assert "k2" in rotated.output
    assert (kept.keys.current, kept.keys.key_ids) == ("k2", ["k1", "k2"])
    assert kept.key_file.stat().st_mode & 0o777 == 0o600
    kept.wait()
    refused = kept.command("retire-key", "k1")
    assert (refused.exit_code, f"{2 * len(SIZES)} values" in refused.output) == (1, True)
    done = kept.command("reencrypt")
    assert done.exit_code == 0, done.output
    assert f"k2: {2 * len(SIZES)}" in done.output
    assert counts_of(kept) == {"k2": 2 * len(SIZES)}
    retired = kept.command("retire-key", "k1")
    assert retired.exit_code == 0, retired.output
    assert kept.keys.key_ids == ["k2"]
    asyncio.run(kept.require_all(kept.keys))


def test_the_file_stays_its_readers(kept: Kept) -> None:
    """Owner, group and mode are as before, and a link still leads to the file."""
    file = kept.folder / "mounted" / "ring.yaml"
    file.parent.mkdir()
    kept.key_file.rename(file)
    kept.key_file.symlink_to(file)
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, SOMEBODY, SOMEBODY)
    before = file.stat()
    assert kept.command("rotate-key").exit_code == 0
    after = file.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (
        before.st_uid,
        before.st_gid,
        before.st_mode,
    )
    assert kept.key_file.readlink() == file
    assert KeyRing.from_file(file).current == "k2"


def test_a_file_of_somebody_else_is_left(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not give the file to its owner is refused, and the keys are those of before."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    refused = kept.command("rotate-key")
    assert (refused.exit_code, "not permitted" in refused.output) == (1, True)
    assert kept.keys.key_ids == ["k1"]
    assert [path.name for path in kept.folder.glob("keys*")] == ["keys.yaml"]


def test_a_key_is_prepared_before_it_is_used(kept: Kept) -> None:
    """Prepared, it decrypts everywhere and encrypts nowhere; the next call uses it."""
    kept.command("rotate-key", "--prepare")
    assert (kept.keys.current, kept.keys.key_ids) == ("k1", ["k1", "k2"])
    assert kept.command("rotate-key", "--prepare").exit_code == 1
    kept.command("rotate-key")
    assert (kept.keys.current, kept.keys.key_ids) == ("k2", ["k1", "k2"])


def test_no_key_is_retired_in_a_hurry(kept: Kept) -> None:
    """The one that encrypts stays, and so does each until all services have read the file."""
    kept.command("rotate-key")
    kept.command("reencrypt")
    early = kept.command("retire-key", "k1")
    assert (early.exit_code, "come again" in early.output) == (1, True)
    kept.wait()
    assert kept.command("retire-key", "k2").exit_code == 1
    assert kept.keys.key_ids == ["k1", "k2"]


@pytest.mark.parametrize(
    ("key_id", "said"),
    [
        ("k9", "there is no key k9; the keys are k1, k2, k3"),
        ("k2", "k2 encrypts: run rotate-key and reencrypt first"),
        ("k3", "k3 is prepared: rotate-key uses it next"),
    ],
)
def test_what_cannot_be_retired_is_said_at_once(kept: Kept, key_id: str, said: str) -> None:
    """No such key, the one that encrypts, the next one: no waiting helps, nothing changes."""
    kept.command("rotate-key")
    kept.command("rotate-key", "--prepare")
    before = kept.key_file.read_bytes()
    refused = kept.command("retire-key", key_id)
    assert (refused.exit_code, said in refused.output) == (1, True), refused.output
    assert kept.key_file.read_bytes() == before


def test_a_dry_run_changes_nothing(kept: Kept) -> None:
    """It says how many blobs each key has, and leaves them."""
    kept.command("rotate-key")
    said = kept.command("reencrypt", "--dry-run")
    assert f"k1: {2 * len(SIZES)}" in said.output
    assert "k2: 0" in said.output
    assert counts_of(kept) == {"k1": 2 * len(SIZES)}


def test_a_blob_of_another_row_is_not_made_good(kept: Kept) -> None:
    """What does not belong to its row is told, not encrypted anew as if it did."""

    async def mix() -> None:
        connection = await asyncpg.connect(kept.dsn)
        await connection.execute(
            "UPDATE kept.person SET data_enc = (SELECT data_enc FROM kept.person "
            "WHERE data_enc IS NOT NULL LIMIT 1)"
        )
        await connection.close()

    asyncio.run(mix())
    kept.command("rotate-key")
    said = kept.command("reencrypt")
    assert (said.exit_code, "DecryptionFailed" in said.output) == (1, True)


def test_a_running_service_reads_new_keys(kept: Kept) -> None:
    """A ring in memory decrypts what another process has encrypted with a key made since."""
    running = kept.keys
    kept.command("rotate-key")
    blob = kept.keys.encrypt(b"new", "context")
    assert running.decrypt(blob, "context") == b"new"
    assert running.current == "k2"
    with pytest.raises(DecryptionFailed):
        running.decrypt(KeyRing("k9", {"k9": b"9" * 32}, b"i" * 32).encrypt(b"", "x"), "x")


def test_the_services_time_limit_is_not_the_walks(kept: Kept) -> None:
    """A table may take longer to read than the role's statements may."""

    async def slow_down() -> None:
        connection = await asyncpg.connect(kept.dsn)
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute("ALTER TABLE kept.person RENAME TO slow_person")
        await connection.execute(
            "CREATE VIEW kept.person AS SELECT * FROM kept.slow_person "
            "WHERE (SELECT true FROM pg_sleep(0.5))"
        )
        await connection.execute(f'ALTER DATABASE "{name}" SET statement_timeout = 200')
        await connection.close()

    asyncio.run(slow_down())
    done = kept.command("reencrypt")
    assert done.exit_code == 0, done.output
    assert f"k1: {2 * len(SIZES)}" in done.output


async def test_ordinary_work_goes_first(empty_database: str) -> None:
    """The walk locks rows by id, and where it deadlocks with others all the same, it goes on."""
    service = await asyncpg.connect(empty_database)
    watcher = await asyncpg.connect(empty_database)
    await service.execute(SCHEMA)
    old = KeyRing.generate()
    ids = sorted(uuid4() for _ in range(20))
    await service.executemany(
        "INSERT INTO kept.person VALUES ($1, $2)",
        [(each, old.encrypt(b"", f"kept.person:{each}")) for each in reversed(ids)],
    )
    lock = "SELECT person_id FROM kept.person WHERE person_id = $1 FOR UPDATE"
    waiting = (
        "SELECT true FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    free = "SELECT person_id FROM kept.person ORDER BY 1 FOR UPDATE SKIP LOCKED"
    new = old.with_new_key().using("k2")
    # Whoever waits this long first is the victim: the walk.
    await service.execute("SET deadlock_timeout = '60s'")
    async with service.transaction():
        await service.execute(lock, ids[10])
        walk = asyncio.create_task(reencrypt(empty_database, new, [PERSON], lambda _: None))
        await until(lambda: watcher.fetchval(waiting))
        assert [row["person_id"] for row in await watcher.fetch(free)] == ids[11:]
        await service.execute(lock, ids[5])
    await walk
    assert set(await count_by_key(empty_database, [PERSON])) == {"k2"}
    await service.close()
    await watcher.close()


async def test_a_writers_change_is_never_undone(empty_database: str, tmp_path: Path) -> None:
    """Rows that services change while the walk goes on keep the change, and end under the key.

    Without the comparison of the old blob the walk would write back what it read before.
    """
    connection = await asyncpg.connect(empty_database)
    await connection.execute(SCHEMA)
    old = KeyRing.generate()
    ids = [uuid4() for _ in range(1500)]
    await connection.executemany(
        "INSERT INTO kept.person VALUES ($1, $2)",
        [(each, old.encrypt(b"before", f"kept.person:{each}")) for each in ids],
    )
    await connection.close()
    prepared = old.with_new_key()
    new = prepared.using("k2")
    walking = asyncio.create_task(reencrypt(empty_database, new, SEALED, lambda _: None))
    writer = await asyncpg.connect(empty_database)
    for each in reversed(ids):
        sealed = prepared.encrypt(b"after", f"kept.person:{each}")
        await writer.execute(
            "UPDATE kept.person SET data_enc = $2 WHERE person_id = $1", each, sealed
        )
    await walking
    await reencrypt(empty_database, new, SEALED, lambda _: None)
    rows = await writer.fetch("SELECT * FROM kept.person")
    await writer.close()
    plain = {new.decrypt(row["data_enc"], f"kept.person:{row['person_id']}") for row in rows}
    assert plain == {b"after"}
    assert set(await count_by_key(empty_database, SEALED)) == {"k2"}
