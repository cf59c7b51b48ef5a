"""The abuser of bench_abuse, a process of its own that takes what others leave of its core.

Arguments: kind, port, the directory of certificates, and the address to come from. It says when it
could begin, begins when a line on stdin says for how many seconds, and prints as JSON what it did
and what the server said to it. Then it ends by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path

import uvloop
from bench.bench_enrollment import LOAD_CPU
from bench.enrollment_seeding import SESSION_CODE
from support.abuse import KINDS, NOBODY, Call, Kind
from support.abuser import Abuse, Deeds
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao_kit.tls import DevelopmentCa

# Whoever is honest is to have the core first: what they lose is to be the server's doing.
NICE = 19
MOST_SECONDS = 60.0
ANSWERS_TOLD = 8


def abuse_of(kind: Kind, port: int, certs: Path, address: str) -> Abuse:
    """All of it, ready to begin."""
    request = enrollment.GetAvailabilityRequest(session_code=SESSION_CODE)
    call = Call(
        "/zikao.enrollment.v1.EnrollmentService/GetAvailability",
        request.SerializeToString(),
        (("grpc-timeout", "20S"),) if kind.name in ("lawful_calls", "slow_readers") else (),
    )
    return Abuse(kind, call, port, DevelopmentCa(certs).issue("portal"), address)


async def abuse(ready: Abuse, seconds: float) -> Deeds:
    """Do it for so long."""
    # A server that has had enough leaves connections in every state there is.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    async with ready as abusing:
        await asyncio.sleep(seconds)
        return abusing.deeds


def main() -> None:
    """Read, pin, run, print."""
    name, port, certs, address = sys.argv[1:5]
    os.sched_setaffinity(0, {LOAD_CPU})
    os.nice(NICE)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    (kind,) = (each for each in (NOBODY, *KINDS) if each.name == name)
    ready = abuse_of(kind, int(port), Path(certs), address)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    (seconds,) = json.loads(sys.stdin.readline())
    begun = time.process_time()
    deeds = uvloop.run(abuse(ready, min(float(seconds), MOST_SECONDS)))
    told = vars(deeds) | {"answers": dict(deeds.answers.most_common(ANSWERS_TOLD))}
    sys.stdout.write(json.dumps(told | {"cpu_seconds": time.process_time() - begun}) + "\n")


if __name__ == "__main__":
    main()
