"""The generators as the parent sees them: processes that obey, and whose ticks are added up."""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from zikao_ctl.rush.caller import Setup
from zikao_ctl.rush.histograms import merged
from zikao_ctl.rush.records import Tick
from zikao_ctl.rush.ticking import COUNTED

END_SECONDS = 10.0
LONGEST_LINE_BYTES = 2**24
_MODULE = "zikao_ctl.rush.caller"

OnTick = Callable[[Tick], None]
Answer = Mapping[str, Any]


class GeneratorDied(Exception):  # noqa: N818 - it is what happened
    """A generator has ended by itself: its own words are on stderr."""


class Generators:
    """All of them; each command goes to all, and is done when the last one says so."""

    def __init__(self, processes: Sequence[asyncio.subprocess.Process], on_tick: OnTick) -> None:
        self._processes = processes
        self._on_tick = on_tick
        self._halves: dict[float, list[Tick]] = {}
        self._events: list[asyncio.Queue[Answer]] = [asyncio.Queue() for _ in processes]

    @property
    def process_ids(self) -> list[int]:
        """Of those that run."""
        return [process.pid for process in self._processes]

    async def wait_for(self, event: str) -> list[Answer]:
        """Wait until each has said so."""
        answers = await asyncio.gather(*(queue.get() for queue in self._events))
        for answer in answers:
            if answer["event"] != event:
                raise GeneratorDied(f"{event} was expected, and {answer} said")
        return answers

    async def do(self, command: str, **details: object) -> list[Answer]:
        """Have all do it; return what they say at its end."""
        self.tell(command, **details)
        return await self.wait_for(command)

    def tell(self, command: str, **details: object) -> None:
        """Command without waiting."""
        line = f"{json.dumps({'do': command, **details})}\n".encode()
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(line)

    async def listen(self) -> None:
        """Take what they say until cancelled; raises GeneratorDied."""
        async with asyncio.TaskGroup() as group:
            for number, process in enumerate(self._processes):
                group.create_task(self._listen_to(number, process))

    async def _listen_to(self, number: int, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            said = json.loads(line)
            if "event" in said:
                self._events[number].put_nowait(said)
            else:
                self._add(said)
        raise GeneratorDied(f"generator {number} has ended with {await process.wait()}")

    def _add(self, tick: Tick) -> None:
        parts = self._halves.setdefault(tick["at"], [])
        parts.append(tick)
        if len(parts) == len(self._processes):
            self._on_tick(add_ticks(self._halves.pop(tick["at"])))


def add_ticks(ticks: Sequence[Tick]) -> Tick:
    """What all processes did in the same half second."""
    total: dict[str, Any] = dict(ticks[0])
    for name in (*COUNTED, "waiting", "in_flight"):
        total[name] = sum(tick[name] for tick in ticks)  # type: ignore[literal-required]
    total["lag_ms"] = max(tick["lag_ms"] for tick in ticks)
    if len(ticks) > 1:
        total["hist"] = merged(tick["hist"] for tick in ticks).take()
    return cast(Tick, total)


@asynccontextmanager
async def run_generators(setups: Sequence[Setup], on_tick: OnTick) -> AsyncIterator[Generators]:
    """Start one for each setup; they prepare at once (event `prepared`)."""
    processes = [await _start(setup) for setup in setups]
    try:
        yield Generators(processes, on_tick)
    finally:
        await asyncio.gather(*map(_end, processes))


async def _start(setup: Setup) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", _MODULE),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE_BYTES,
    )
    assert process.stdin is not None
    process.stdin.write(base64.b64encode(pickle.dumps(setup)) + b"\n")
    return process


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
