"""The `zikao` command as an operator or an officer calls it, against services of a test."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner
from zikao_ctl.main import main

_LOG = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[")


class Ended(NamedTuple):
    """What a command has come to."""

    exit_code: int
    output: str

    @property
    def json(self) -> Any:
        """What it printed, with --json."""
        assert self.exit_code == 0, self.output
        return json.loads(self.output)

    @property
    def last_line(self) -> str:
        """What it ended with, after what bars have left."""
        return self.output.splitlines()[-1]


async def run_command(arguments: Sequence[str], stdin: str = "") -> Ended:
    """Run `zikao`, in a thread and with an event loop of its own."""
    result = await asyncio.to_thread(CliRunner().invoke, main, arguments, stdin)
    return Ended(result.exit_code, without_log(result.output))


def without_log(output: str) -> str:
    """What a command printed: the service, which runs beside it, writes its log there, too."""
    lines = output.splitlines(keepends=True)
    return "".join(line for line in lines if not _LOG.match(line))


class Command:
    """One group of commands, called with what tells them where services are."""

    def __init__(self, group: str, certs: Path, targets: Mapping[str, int]) -> None:
        """`targets`: ports of services on this machine, by name."""
        self._group = group
        self._where = ["--certs", str(certs)]
        for service, port in targets.items():
            self._where += [f"--{service}", f"127.0.0.1:{port}"]

    async def run(self, *words: str | Path, token_file: Path | None = None) -> Ended:
        """Run it."""
        token = [] if token_file is None else ["--token-file", str(token_file)]
        where = [] if "--verify" in words else [*self._where, *token]
        arguments = [self._group, *map(str, words), *where]
        return await run_command(arguments)
