"""Ordinary calls beside a login storm: how much later their answers come.

200 clients log in as fast as they are let, with the back-off the contract asks for, while others
read their registrations at a steady rate. Service, storm and readers are processes of their own,
with the configuration of production; quiet and stormy times take turns.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from argon2 import PasswordHasher
from bench.login_load import Load, Measured, run_apart
from support.bench import BenchService, Rate, own_postgres, registration_process, report
from support.registration_people import JINJIANG, SESSION_CODE, log_in_through, session_part
from support.registration_seeding import seed_pending, seeded_number
from support.service import new_id
from zikao.registration.v1 import session_service_pb2 as session
from zikao_client import patiently
from zikao_kit.convert import time_to_pb
from zikao_registration.config import ARGON2_MEMORY_KIB, ARGON2_PARALLELISM, ARGON2_TIME_COST

CLIENTS = 200
READERS = 20
CALLS_PER_SECOND = 100.0
ROUNDS = 4
ROUND_SECONDS = 10.0
# Until all clients have come, and after readers have gone.
STORM_MARGIN_SECONDS = 1.5
MAX_P99_RATIO = 2.0
PASSWORD = "a password of the bench"


async def bench(folder: Path) -> bool:
    """Measure and report; whether ordinary calls are as quick as they should be, and answered."""
    with own_postgres(folder) as admin_dsn:
        async with registration_process(folder, admin_dsn) as service:
            quiet, beside, storm = Measured(), Measured(), Measured()
            readers, logins = await _prepare(service)
            for _ in range(ROUNDS):
                _add(quiet, await run_apart(readers))
                found = await asyncio.gather(run_apart(logins), _delayed(readers))
                _add(storm, found[0])
                _add(beside, found[1])
    return _report(quiet, beside, storm)


async def _prepare(service: BenchService) -> tuple[Load, Load]:
    """A session, candidates with one password, and tokens of those who read."""
    now = datetime.now(UTC)
    day = timedelta(days=1)
    async with service.caller("operator") as operator:
        part = session_part(
            registration_opens_at=time_to_pb(now - day),
            registration_closes_at=time_to_pb(now + day),
            material_closes_at=time_to_pb(now + day),
            review_closes_at=time_to_pb(now + 2 * day),
        )
        request = session.ApplySessionRequest(request_id=new_id(), session=part)
        await patiently(lambda: operator.call(request))  # the process has just begun to listen
    hasher = PasswordHasher(ARGON2_TIME_COST, ARGON2_MEMORY_KIB, ARGON2_PARALLELISM)
    await seed_pending(
        service.dsn,
        service.keys,
        CLIENTS + READERS,
        session_code=SESSION_CODE,
        county_code=JINJIANG,
        submitted_at=now,
        password_hash=hasher.hash(PASSWORD),
    )
    names = [seeded_number(number, JINJIANG) for number in range(CLIENTS + READERS)]
    async with service.caller("portal") as portal:
        tokens = [
            (await log_in_through(portal, name, PASSWORD)).access_token for name in names[:READERS]
        ]
    files = {key: str(path) for key, path in asdict(service.ca.issue("portal")).items()}
    common = Load("", service.port, files, ROUND_SECONDS)
    readers = replace(common, kind="ordinary", tokens=tokens, calls_per_second=CALLS_PER_SECOND)
    storm_seconds = ROUND_SECONDS + 2 * STORM_MARGIN_SECONDS
    storm = replace(
        common, kind="storm", seconds=storm_seconds, password=PASSWORD, names=names[READERS:]
    )
    return readers, storm


async def _delayed(readers: Load) -> Measured:
    await asyncio.sleep(STORM_MARGIN_SECONDS)
    return await run_apart(readers)


def _add(total: Measured, more: Measured) -> None:
    total.answers += more.answers
    total.seconds += more.seconds


def _report(quiet: Measured, beside: Measured, storm: Measured) -> bool:
    calm, stormy, logins = (_percentiles(each) for each in (quiet, beside, storm))
    storm_seconds = ROUNDS * (ROUND_SECONDS + 2 * STORM_MARGIN_SECONDS)
    ratios = {f"ordinary_{name}_beside_per_quiet": stormy[name] / calm[name] for name in calm}
    failures = _failures(quiet.answers + beside.answers) + _failures(storm.answers, "OVERLOADED")
    report(
        "logins",
        {
            "ordinary calls, quiet": Rate(quiet.answers["OK"], ROUNDS * ROUND_SECONDS),
            "ordinary calls, beside": Rate(beside.answers["OK"], ROUNDS * ROUND_SECONDS),
            "logins": Rate(storm.answers["OK"], storm_seconds),
            "logins told to come later": Rate(storm.answers["OVERLOADED"], storm_seconds),
        },
        ratios,
        ordinary_quiet_ms=calm,
        ordinary_beside_ms=stormy,
        login_ms=logins,
        failures=failures,
    )
    return not failures and ratios["ordinary_p99_beside_per_quiet"] <= MAX_P99_RATIO


def _percentiles(measured: Measured) -> dict[str, float]:
    cuts = quantiles(measured.seconds, n=1000)
    return {name: round(cuts[place] * 1000, 2) for name, place in (("p50", 499), ("p99", 989))}


def _failures(answers: Counter[str], *expected: str) -> Counter[str]:
    """Refusals that nobody asked for; of ordinary calls, all of them."""
    return Counter({reason: n for reason, n in answers.items() if reason not in ("OK", *expected)})


if __name__ == "__main__":
    with TemporaryDirectory() as directory:
        sys.exit(0 if asyncio.run(bench(Path(directory))) else 1)
