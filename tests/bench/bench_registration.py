"""Twenty officers approve five thousand applications of one county, singly and in bulk.

    make bench-registration        # out/bench/registration.json

Throughput is told as a ratio to an empty call (ListSigningKeys) of the same process, at the
same concurrency, in the same run. Afterwards the serials are looked at: no gap, no duplicate.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

from support.bench import BenchService, Rate, own_postgres, rate_of, registration_process, report
from support.registration_people import (
    JINJIANG,
    SESSION_CODE,
    WUHOU,
    apply_session,
    approval,
    lease_request,
    new_officer,
)
from support.registration_seeding import seed_pending
from support.registration_server import NOON, RegistrationServer
from support.service import Caller, move_clock, new_id
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import review_service_pb2 as review

OFFICERS, APPLICATIONS = 20, 5000
LEASED_SINGLY, LEASED_IN_BULK = 20, 100
EMPTY_CALLS = 10_000


async def approve_singly(officer: Caller) -> int:
    """Lease some and approve each by a call, until nothing is left."""
    done = 0
    while leased := (await officer.call(lease_request(JINJIANG, LEASED_SINGLY))).registrations:
        for each in leased:
            await officer.call(approval(each.candidate_id))
        done += len(leased)
    return done


async def approve_in_bulk(officer: Caller) -> int:
    """Lease many and approve them by one call, until nothing is left."""
    done = 0
    while leased := (await officer.call(lease_request(WUHOU, LEASED_IN_BULK))).registrations:
        ids = [each.candidate_id for each in leased]
        request = review.ApproveRegistrationsRequest(request_id=new_id(), candidate_ids=ids)
        results = (await officer.call(request)).results
        done += sum(bool(each.ticket_number) for each in results)
    return done


async def call_nothing(officer: Caller) -> int:
    """The cheapest call there is."""
    calls = EMPTY_CALLS // OFFICERS
    for _ in range(calls):
        await officer.call(accounts.ListSigningKeysRequest())
    return calls


async def serial_problems(server: RegistrationServer) -> int:
    """Counties whose serials are not 1 to APPLICATIONS, each once."""
    rows = await server.rows(
        """SELECT county_code FROM registration.ticket_number GROUP BY county_code
        HAVING count(DISTINCT serial) = $1 AND max(serial) = $1 AND count(*) = $1""",
        APPLICATIONS,
    )
    return 2 - len(rows)


async def bench(folder: Path, admin_dsn: str) -> None:
    """Measure and report; raises SystemExit when a serial is missing."""
    clock_file = folder / "clock.json"
    await move_clock(clock_file, NOON)
    async with AsyncExitStack() as stack:
        settings = {"clock": {"offset_file": str(clock_file)}}
        running = registration_process(folder, admin_dsn, **settings)
        service = await stack.enter_async_context(running)
        server = RegistrationServer(service.dsn, service.port, service.ca, clock_file, stack)
        await apply_session(server)
        await seed(service)
        officers = await hire(stack, service, server)
        rates = await measure(officers)
        problems = await serial_problems(server)
    empty = Rate(
        rates["empty_before"].calls + rates["empty_after"].calls,
        rates["empty_before"].seconds + rates["empty_after"].seconds,
    )
    ratios = {
        f"{name}_to_empty": rates[name].per_second / empty.per_second
        for name in ("approvals_singly", "approvals_in_bulk")
    }
    report("registration", rates, ratios, serial_problems=problems)
    if problems:
        raise SystemExit("serials are not dense")


async def seed(service: BenchService) -> None:
    """Five thousand that wait in each of two counties."""
    for county_code in (JINJIANG, WUHOU):
        await seed_pending(
            service.dsn,
            service.keys,
            APPLICATIONS,
            session_code=SESSION_CODE,
            county_code=county_code,
            submitted_at=NOON - timedelta(hours=3),
        )


async def hire(
    stack: AsyncExitStack, service: BenchService, server: RegistrationServer
) -> Sequence[Caller]:
    """Officers of the city, logged in, each on a connection of their own."""
    role, officers = options_pb2.ROLE_CITY_OFFICER, []
    for number in range(OFFICERS):
        officer = await new_officer(server, "5101", role, name=f"officer{number}")
        portal = await stack.enter_async_context(service.caller("portal"))
        officers.append(portal.with_token(officer.token))
    return officers


async def measure(officers: Sequence[Caller]) -> dict[str, Rate]:
    """The rates, an empty call's before and after."""
    rates = {}
    for name, work in (
        ("empty_before", call_nothing),
        ("approvals_singly", approve_singly),
        ("approvals_in_bulk", approve_in_bulk),
        ("empty_after", call_nothing),
    ):
        rates[name] = await rate_of(partial(work, officer) for officer in officers)
        sys.stdout.write(f"[bench] {name}: {rates[name].per_second:.0f}/s\n")
    return rates


def main() -> None:
    """Measure on a PostgreSQL of our own, which keeps what it commits."""
    with tempfile.TemporaryDirectory(prefix="zikao-bench-") as directory:
        folder = Path(directory)
        with own_postgres(folder) as admin_dsn:
            asyncio.run(bench(folder, admin_dsn))


if __name__ == "__main__":
    main()
