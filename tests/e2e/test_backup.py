"""A backup that is taken while people take seats, and an installation that is made from it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from support.commands import Ended, run_command
from support.seat_load import seats_taken
from zikao_ctl.backup.archive import Manifest, unpack
from zikao_ctl.backup.passphrase import read_passphrase
from zikao_ctl.backup.restoring import restore
from zikao_ctl.backup.taking import take
from zikao_ctl.embedded_postgres import EmbeddedPostgres
from zikao_ctl.faults.scene import until
from zikao_ctl.faults.witness import Outcome, Witness
from zikao_ctl.installation import run_installation
from zikao_ctl.layout import InstallationError, Layout
from zikao_ctl.ports import POSTGRES

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENOUGH, PATIENCE_SECONDS = 25, 60.0
PASSPHRASE = "correct horse battery staple"


async def zikao(*arguments: str | Path) -> tuple[int, str]:
    """Run the command in a process of its own; exit code and output."""
    program = "from zikao_ctl.main import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, *map(str, arguments),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def command(*arguments: str | Path) -> Ended:
    """Run the command here: one that does not wait for signals."""
    return await run_command([str(word) for word in arguments])


@dataclass(frozen=True)
class Taken:
    """A backup, what was acknowledged before it began, and the heads of the chains then."""

    file: Path
    passphrase: Path
    before: Witness
    heads: Path
    secrets: dict[str, bytes]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def taken(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Taken]:
    """Taken from an installation under load, which is gone afterwards."""
    folder = tmp_path_factory.mktemp("backup")
    layout = Layout(folder / "first")
    file, heads, passphrase = folder / "one.zikao", folder / "heads.jsonl", folder / "passphrase"
    passphrase.write_text(PASSPHRASE + "\n")
    words = ("backup", file, "--data", layout.data, "--passphrase-file", passphrase)
    async with (
        run_installation(layout, port_base=None, say=lambda _: None) as installation,
        seats_taken(installation, seed=7) as load,
    ):

        async def acknowledged(witness: Witness) -> None:
            counts = witness.counts
            await until(
                lambda: counts[Outcome.ACKNOWLEDGED] >= ENOUGH, PATIENCE_SECONDS, lambda: "no seats"
            )

        await acknowledged(load.witness)
        await load.pause()
        before, load.witness = load.witness, Witness()
        checkpoint = ("audit-log", "verify", "--data", layout.data, "--checkpoint", heads)
        assert (await command(*checkpoint)).exit_code == 0
        assert (await command(*words, "--dry-run")).exit_code == 0
        assert not file.exists()
        load.resume()
        began = load.witness.counts[Outcome.ACKNOWLEDGED]
        code, said = await zikao(*words)
        assert code == 0, said
        # People were served meanwhile.
        assert load.witness.counts[Outcome.ACKNOWLEDGED] > began
        again = await command(*words)
        assert (again.exit_code, "is there already" in again.output) == (1, True), again.output
        secrets = {path.name: path.read_bytes() for path in layout.secrets.iterdir()}
    assert not before.violations
    assert sorted(path.name for path in folder.iterdir()) == [
        "first", "heads.jsonl", "one.zikao", "passphrase",
    ]  # fmt: skip
    yield Taken(file, passphrase, before, heads, secrets)


async def test_an_installation_is_made_from_it(taken: Taken, tmp_path: Path) -> None:
    """It starts, every invariant and chain holds, and all that was acknowledged before is there."""
    data = tmp_path / "second"
    with Layout(data).claimed():
        (data / "logs").mkdir()
    words = ("restore", taken.file, "--data", data, "--passphrase-file", taken.passphrase)
    refused = await command(*words)
    assert (refused.exit_code, "is not empty" in refused.output) == (1, True), refused.output
    assert sorted(path.name for path in data.iterdir()) == ["installation.json", "lock", "logs"]
    code, said = await zikao(*words, "--reset", "--port-base", "0")
    assert code == 0, said
    assert "everything holds" in said
    assert [path.name for path in tmp_path.iterdir()] == ["second"]

    layout = Layout(data)
    port = layout.read_mark().ports[POSTGRES]
    with EmbeddedPostgres(layout.postgres, port) as postgres:
        connection = await asyncpg.connect(postgres.dsn("zikao"))
        try:
            await taken.before.check(connection, everything=True)
        finally:
            await connection.close()
        checkpoint = ("--checkpoint", taken.heads, "--max-unsealed", "3600")
        verified = await command("audit-log", "verify", "--data", data, *checkpoint)
    assert taken.before.violations == []
    assert verified.exit_code == 0, verified.output
    for name, content in taken.secrets.items():
        if not name.endswith(".dsn"):  # of another port
            assert (layout.secrets / name).read_bytes() == content, name


async def test_a_bad_file_changes_nothing(taken: Taken, tmp_path: Path) -> None:
    """Cut off, changed anywhere, or opened with another passphrase: refused, and said why."""
    whole = taken.file.read_bytes()
    other = tmp_path / "other"
    other.write_text("another passphrase, long enough")
    short = tmp_path / "short"
    short.write_text("short")
    file = tmp_path / "bad.zikao"
    offered = {
        "cut off": (whole[: len(whole) // 2], taken.passphrase, "not a whole backup"),
        "almost whole": (whole[:-20_000], taken.passphrase, "not a whole backup"),
        "changed": (changed(whole, len(whole) // 2), taken.passphrase, "is not what"),
        "older": (
            told(whole, "postgres", b"10"), taken.passphrase, "is of PostgreSQL 10",
        ),
        "of a newer zikao": (
            told(whole, "zikao", b'"9'), taken.passphrase, "taken by zikao 9",
        ),
        "with a newer schema": (
            told(whole, "tickets", b"99"), taken.passphrase, "has migration 0099",
        ),
        "of a newer format": (
            told(whole, "format", b"2"), taken.passphrase, "of a newer zikao",
        ),
        "its times": (
            told(whole, "taken_at", b'"1'), taken.passphrase, "the backup was changed",
        ),
        "no backup": (b"something else" * 1000, taken.passphrase, "not a whole backup"),
        "another passphrase": (whole, other, "the passphrase is another one"),
        "a short one": (whole, short, "at least 12 characters"),
    }  # fmt: skip
    data = tmp_path / "data"
    for what, (content, passphrase, words) in offered.items():
        file.write_bytes(content)
        with pytest.raises(InstallationError, match=words):
            await restore(file, Layout(data), read_passphrase(passphrase), print, reset=False)
        arguments = ("restore", file, "--data", data, "--passphrase-file", passphrase)
        ended = await command(*arguments, "--dry-run")
        assert ended.exit_code == 1, what
        assert words in ended.output, what
        assert not data.exists(), what
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.zikao", "other", "short"]


def told(whole: bytes, name: str, value: bytes) -> bytes:
    """The same with a manifest that begins a value otherwise."""
    place = whole.index(f'"{name}": '.encode()) + len(name) + 4
    assert whole[place : place + len(value)] != value
    return whole[:place] + value + whole[place + len(value) :]


def changed(whole: bytes, place: int) -> bytes:
    """The same with one bit changed."""
    return whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]


async def test_no_key_is_in_clear(taken: Taken) -> None:
    """Neither a key, a password nor a certificate's key of the installation is in the file."""
    whole = taken.file.read_bytes()
    for name, content in taken.secrets.items():
        if not name.endswith(".txt"):
            assert content not in whole, name
    assert b"PRIVATE KEY" not in whole
    assert taken.file.stat().st_mode & 0o777 == 0o600
    manifest: Manifest = unpack(taken.file, None)
    assert sorted(manifest.migrations) == ["enrollment", "registration", "tickets"]


async def test_what_does_not_run_is_not_backed_up(taken: Taken, tmp_path: Path) -> None:
    """A sentence that says so, and no file."""
    file = tmp_path / "two.zikao"
    first = taken.file.parent / "first"
    for data in (first, tmp_path / "nothing"):
        with pytest.raises(InstallationError):
            await take(Layout(data), file, PASSPHRASE.encode(), print)
        arguments = ("backup", file, "--data", data, "--passphrase-file", taken.passphrase)
        assert (await command(*arguments, "--dry-run")).exit_code == 1
        assert not file.exists()
