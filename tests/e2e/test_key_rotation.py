"""An operator rotates the keys of a running installation with the services' own commands."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
import yaml
from zikao_ctl.installation import Installation
from zikao_kit.crypto import KeyRing
from zikao_kit.key_commands import KEY_RING_PAUSE_SECONDS, RETIRE_AFTER_SECONDS
from zikao_registration.config import POLL_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def run(installation: Installation, service: str, *args: str) -> tuple[int, str]:
    """Run a command of a service with its own configuration; return exit code and output."""
    config = installation.layout.config / f"{service}.yaml"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"zikao_{service}",
        args[0],
        f"--config={config}",
        *args[1:],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


def key_file(installation: Installation, service: str) -> Path:
    """Where a service's keys are."""
    config = installation.layout.config / f"{service}.yaml"
    return Path(yaml.safe_load(config.read_text())["key_ring_file"])


async def test_the_keys_of_a_running_installation(installation: Installation) -> None:
    """Prepared, used, everything brought under it, the old one gone; the services go on."""
    await asyncio.gather(*(rotate(installation, each) for each in ("registration", "tickets")))


async def rotate(installation: Installation, service: str) -> None:
    """As the operator of one service does, and what must have become of its keys."""
    file = key_file(installation, service)
    assert (await run(installation, service, "rotate-key", "--prepare"))[0] == 0
    assert (await run(installation, service, "rotate-key"))[0] == 0
    code, said = await run(installation, service, "reencrypt")
    assert (code, "k1: 0" in said) == (0, True), said
    early = await run(installation, service, "retire-key", "k1")
    assert (early[0], "come again" in early[1]) == (1, True)
    # Until every process has read the file; the rest of the operator's waiting is made up.
    await asyncio.sleep(KEY_RING_PAUSE_SECONDS + 1)
    code, said = await run(installation, service, "reencrypt")
    assert (code, "k1: 0" in said) == (0, True), said
    stat = file.stat()
    os.utime(file, (stat.st_atime, stat.st_mtime - 2 * RETIRE_AFTER_SECONDS))
    code, said = await run(installation, service, "retire-key", "k1")
    assert code == 0, said
    assert KeyRing.from_file(file).key_ids == ["k2"]
    assert file.stat().st_mode & 0o777 == 0o600
    # The keys of tokens and tickets, encrypted too, are read once a second.
    await asyncio.sleep(2 * POLL_SECONDS)
    log = (installation.layout.logs / f"{service}.log").read_text()
    assert "DecryptionFailed" not in log
