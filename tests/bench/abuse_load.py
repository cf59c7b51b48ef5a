"""The abuser of bench_abuse, a process of its own that takes what others leave of its core.

Arguments: kind, port, seconds, the directory of certificates, and the address to come from. Prints
as JSON what it did and what the server said to it. It ends by itself.
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
from support.abuse import KINDS, Call, Kind
from support.abuser import Abuse, Deeds
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao_kit.tls import DevelopmentCa

# Whoever is honest is to have the core first: what they lose is to be the server's doing.
NICE = 19
MOST_SECONDS = 60.0
ANSWERS_TOLD = 8


async def abuse(kind: Kind, port: int, seconds: float, certs: Path, address: str) -> Deeds:
    """Do it for so long."""
    request = enrollment.GetAvailabilityRequest(session_code=SESSION_CODE)
    call = Call(
        "/zikao.enrollment.v1.EnrollmentService/GetAvailability",
        request.SerializeToString(),
        (("grpc-timeout", "20S"),) if kind.name in ("lawful_calls", "slow_readers") else (),
    )
    # A server that has had enough leaves connections in every state there is.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    files = DevelopmentCa(certs).issue("portal")
    async with Abuse(kind, call, port, files, address) as abusing:
        await asyncio.sleep(seconds)
        return abusing.deeds


def main() -> None:
    """Read, pin, run, print."""
    name, port, seconds, certs, address = sys.argv[1:6]
    os.sched_setaffinity(0, {LOAD_CPU})
    os.nice(NICE)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    (kind,) = (each for each in KINDS if each.name == name)
    begun = time.process_time()
    abusing = abuse(kind, int(port), min(float(seconds), MOST_SECONDS), Path(certs), address)
    deeds = uvloop.run(abusing)
    told = vars(deeds) | {"answers": dict(deeds.answers.most_common(ANSWERS_TOLD))}
    sys.stdout.write(json.dumps(told | {"cpu_seconds": time.process_time() - begun}) + "\n")


if __name__ == "__main__":
    main()
