"""Load on a registration service, each kind a process of its own: what it needs comes on stdin.

`storm`: clients that log in again and again, coming back when they are told to. `ordinary`:
calls at a steady rate, whatever their answers take (open loop). Prints what was measured as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import grpc
from support.certificates import channel_credentials
from support.service import Caller
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao_kit.config import CertFiles
from zikao_kit.error_table import problem_of

CALL_SECONDS = 10.0
STORM_NICENESS = 10
GET = registration.GetRegistrationRequest()


@dataclass(frozen=True)
class Load:
    """What a process does, for so many seconds."""

    kind: str
    port: int
    files: dict[str, str]
    seconds: float
    password: str = ""
    names: Sequence[str] = ()
    tokens: Sequence[str] = ()
    calls_per_second: float = 0.0


@dataclass
class Measured:
    """Answers by reason ("OK" for none), and the seconds of those that were OK."""

    answers: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)


async def run(load: Load) -> Measured:
    """Do it on a connection of its own."""
    files = CertFiles(**{name: Path(path) for name, path in load.files.items()})
    target = f"localhost:{load.port}"
    async with grpc.aio.secure_channel(target, channel_credentials(files)) as channel:
        caller, measured = Caller(channel), Measured()
        await (_storm if load.kind == "storm" else _ordinary)(caller, load, measured)
    return measured


async def _storm(caller: Caller, load: Load, measured: Measured) -> None:
    # Its clients work on machines of their own: here they get what the service leaves them.
    os.nice(STORM_NICENESS)
    until = time.perf_counter() + load.seconds
    async with asyncio.TaskGroup() as group:
        for name in load.names:
            group.create_task(_log_in_again(caller, name, load.password, until, measured))


async def _log_in_again(
    caller: Caller, name: str, password: str, until: float, measured: Measured
) -> None:
    request = accounts.LogInRequest(login_name=name, password=password)
    while time.perf_counter() < until:
        pause = await _timed(caller, request, time.perf_counter(), measured)
        await asyncio.sleep(pause)


async def _ordinary(caller: Caller, load: Load, measured: Measured) -> None:
    begun = time.perf_counter()
    count = int(load.seconds * load.calls_per_second)
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            intended = begun + number / load.calls_per_second
            await asyncio.sleep(max(0.0, intended - time.perf_counter()))
            as_candidate = caller.with_token(load.tokens[number % len(load.tokens)])
            group.create_task(_timed(as_candidate, GET, intended, measured))


async def _timed(caller: Caller, request: Any, intended: float, measured: Measured) -> float:
    """Call, measured from when it should have begun; return the seconds to come again after."""
    try:
        await caller.start(request, timeout=CALL_SECONDS)
    except grpc.aio.AioRpcError as error:
        problem = problem_of(error)
        measured.answers[problem.reason] += 1
        after = problem.retry_after
        return after.total_seconds() if after else random.uniform(0.5, 1.5)
    measured.answers["OK"] += 1
    measured.seconds.append(time.perf_counter() - intended)
    return 0.0


async def run_apart(load: Load) -> Measured:
    """Run the load in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(json.dumps(asdict(load)).encode())
    if process.returncode:
        raise RuntimeError(f"the load has ended with {process.returncode}")
    content = json.loads(output)
    return Measured(Counter(content["answers"]), content["seconds"])


if __name__ == "__main__":
    found = asyncio.run(run(Load(**json.load(sys.stdin))))
    json.dump({"answers": found.answers, "seconds": found.seconds}, sys.stdout)
