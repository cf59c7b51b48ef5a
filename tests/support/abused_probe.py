"""A real server with the probe, abused by one kind or another, and what it has let go of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from support.abuse import KINDS, Call
from support.abuser import ABUSER, Abuse
from support.probe import Probe
from support.service import until
from zikao.test.v1 import probe_pb2
from zikao_kit.warden import CUT

OPEN = probe_pb2.OpenRequest()
CALL = Call("/zikao.test.v1.ProbeService/Open", b"", (("grpc-timeout", "20S"),))
UNTIL_SECONDS = 10.0
TURN_SECONDS = 0.001
# What an abuser has left behind is worked on first.
SERVED_SECONDS = 20.0


@asynccontextmanager
async def abused(
    probe: Probe, kind_name: str, connections: int = 2, call: Call = CALL, **changes: Any
) -> AsyncIterator[Abuse]:
    """Somebody abuses the server while the block runs; in the end others are served."""
    (kind,) = (each for each in KINDS if each.name == kind_name)
    # Abuser and server share the loop of the test: each has its turn.
    changes = {"comes_again": False, "pause_seconds": kind.pause_seconds or TURN_SECONDS} | changes
    kind = replace(kind, connections=connections, **changes)
    # A connection that is cut may be in any state.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    files = probe.ca.issue("portal")
    try:
        async with Abuse(kind, call, probe.server.port, files) as abuse:
            yield abuse
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
    async with probe.stub() as stub:
        await stub.Open(OPEN, timeout=SERVED_SECONDS)


async def answered(abuse: Abuse, *beginnings: str) -> None:
    """Wait until the abuser was told one of these."""
    try:
        await until(
            lambda: any(said.startswith(beginnings) for said in abuse.deeds.answers), UNTIL_SECONDS
        )
    except TimeoutError:
        raise AssertionError(f"answered: {dict(abuse.deeds.answers)}") from None


async def is_heard(probe: Probe) -> bool:
    """Whether the abuser's address gets a connection."""
    try:
        async with asyncio.timeout(0.2):
            place = ("127.0.0.1", probe.server.port)
            _, writer = await asyncio.open_connection(*place, local_addr=(ABUSER, 0))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def cuts(cause: str) -> float:
    """How many connections were let go for it."""
    return float(CUT.labels(cause)._value.get())
