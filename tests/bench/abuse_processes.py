"""The other processes of bench_abuse: honest callers and abusers, each told what to do by lines."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.abuse_honest import Stage
from support.abuse import Kind
from support.bench import end_process

READY = b"ready\n"


class Told:
    """A process that answers each line by a line of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, *what: object) -> dict[str, Any]:
        """Write a line, and wait for its answer."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("it was started without pipes")
        self._process.stdin.write(f"{json.dumps(what)}\n".encode())
        said = await self._process.stdout.readline()
        if not said:
            raise RuntimeError("the process has ended")
        told: dict[str, Any] = json.loads(said)
        return told


class Honest(Told):
    """The honest callers."""

    async def run(self, seconds: float, rate: float | None) -> dict[str, Any]:
        """What they saw in so many seconds, of so many calls a second or of as many as can be."""
        return await self.ask(seconds, rate)


class Abuser(Told):
    """An abuser that has not begun yet."""

    async def run(self, seconds: float) -> dict[str, Any]:
        """Abuse for so long, and return what was done and what the server said."""
        return await self.ask(seconds)


@asynccontextmanager
async def honest_process(stage: Stage) -> AsyncIterator[Honest]:
    """Start them, and wait until they call."""
    async with _ready_process("bench.abuse_honest", given=pickle.dumps(stage)) as process:
        yield Honest(process)


@asynccontextmanager
async def abuser_process(kind: Kind, port: int, certs: Path, address: str) -> AsyncIterator[Abuser]:
    """Start one, and wait until it could begin."""
    what = (kind.name, str(port), str(certs), address)
    async with _ready_process("bench.abuse_load", *what) as process:
        yield Abuser(process)


@asynccontextmanager
async def _ready_process(
    module: str, *arguments: str, given: bytes = b""
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("it was started without pipes")
        process.stdin.write(given)
        await process.stdin.drain()
        if await process.stdout.readline() != READY:
            raise RuntimeError(f"{module} cannot begin")
        yield process
    finally:
        await end_process(process)
