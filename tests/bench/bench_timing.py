"""Does the time of an answer tell whether somebody is registered?

    make bench-timing              # out/bench/timing.json

Each case is asked 2,000 times for people who exist and 2,000 times for people who do not, in
random order, some at once. AUC is the share of pairs in which the existing one took longer: 0.5
when the times tell nothing, and no further from it than 0.05 (exit code 1 otherwise).
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import grpc
from support.bench import Rate, own_postgres, registration_process, report
from support.registration_outside import Outside, outside
from support.registration_people import (
    NAME,
    PASSWORD,
    apply_session,
    document_number,
    new_officer,
)
from support.registration_recoveries import NEW_PASSWORD, RESIDENT_ID, approved_candidate, start
from support.registration_server import NOON, RegistrationServer
from support.service import Caller, move_clock, new_id
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import contact_service_pb2 as contact
from zikao.registration.v1 import recovery_service_pb2 as recovery

CALLS = 2000
AT_ONCE = 8
FAR = 0.05
KNOWN = range(1, 9)
# An office has reset their passwords.
RESET = range(11, 19)
UNKNOWN = range(301, 309)
NO_LIMIT = 10**9


@dataclass(frozen=True)
class Case:
    """What is asked of a person by number, of the known with the ticket number that is theirs."""

    name: str
    request: Callable[[int, str], Any]
    known: range = KNOWN


def wrong_login(number: int, _: str) -> accounts.LogInRequest:
    """Somebody guesses."""
    return accounts.LogInRequest(login_name=document_number(number), password="no password")


CASES = (
    Case("LogIn", wrong_login),
    Case("LogIn_initial_password", wrong_login, known=RESET),
    Case(
        "FindTicketNumber",
        lambda number, _: recovery.FindTicketNumberRequest(
            document_type=RESIDENT_ID, document_number=document_number(number), name=NAME
        ),
    ),
    Case("StartPasswordRecovery", start),
    Case(
        "GetSecurityQuestion",
        lambda number, ticket_number: recovery.GetSecurityQuestionRequest(
            document_type=RESIDENT_ID,
            document_number=document_number(number),
            ticket_number=ticket_number,
        ),
    ),
    Case(
        "RecoverWithSecurityAnswer",
        lambda number, ticket_number: recovery.RecoverWithSecurityAnswerRequest(
            request_id=new_id(),
            document_type=RESIDENT_ID,
            document_number=document_number(number),
            ticket_number=ticket_number,
            answer="不是答案",
            new_password=NEW_PASSWORD,
        ),
    ),
)


@dataclass
class Times:
    """Seconds of each call."""

    known: list[float]
    unknown: list[float]

    @property
    def auc(self) -> float:
        """Share of pairs in which the known took longer; half of those that are equal."""
        ranked = sorted([(t, True) for t in self.known] + [(t, False) for t in self.unknown])
        ranks: dict[float, tuple[int, int]] = {}
        for place, (seconds, _) in enumerate(ranked, start=1):
            first, _ = ranks.get(seconds, (place, place))
            ranks[seconds] = first, place
        total = sum(sum(ranks[seconds]) / 2 for seconds in self.known)
        count = len(self.known)
        return (total - count * (count + 1) / 2) / (count * len(self.unknown))


async def measure(portal: Caller, case: Case, ticket_numbers: Sequence[str]) -> Times:
    """Ask in random order, AT_ONCE at once."""
    times = Times([], [])
    turns = [True, False] * CALLS
    random.shuffle(turns)

    async def ask() -> None:
        while turns:
            known, place = turns.pop(), random.randrange(len(KNOWN))
            number = (case.known if known else UNKNOWN)[place]
            request = case.request(number, ticket_numbers[place])
            began = time.perf_counter()
            try:
                await portal.call(request)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                    raise
            (times.known if known else times.unknown).append(time.perf_counter() - began)

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    return times


async def admit(server: RegistrationServer) -> list[str]:
    """Those who exist, with a security question; their ticket numbers."""
    numbers = []
    for number in KNOWN:
        candidate, ticket_number = await approved_candidate(server, number)
        question = contact.SetSecurityQuestionRequest(
            request_id=new_id(),
            password=PASSWORD,
            question=recovery.SECURITY_QUESTION_FIRST_EMPLOYER,
            answer="第一机床厂",
        )
        await candidate.call(question)
        numbers.append(ticket_number)
    officer = await new_officer(server)
    for number in RESET:
        await approved_candidate(server, number)
        await officer.call(
            recovery.ResetCandidatePasswordRequest(
                request_id=new_id(),
                document_type=RESIDENT_ID,
                document_number=document_number(number),
                reason=recovery.RESET_REASON_FORGOTTEN,
            )
        )
    return numbers


def settings_of(peers: Outside, clock_file: Path) -> dict[str, Any]:
    """A real configuration but for the limits, which would end the bench."""
    sms = {name: str(value) for name, value in asdict(peers.settings["sms"]).items()}
    sms["timeout_seconds"] = peers.settings["sms"].timeout_seconds
    return {
        "clock": {"offset_file": str(clock_file)},
        "sms": sms,
        "login": {"attempts": NO_LIMIT, "attempts_per_caller": NO_LIMIT},
        "recovery": {"attempts": NO_LIMIT},
    }


async def bench(folder: Path, admin_dsn: str) -> None:
    """Measure and report; raises SystemExit when a time tells."""
    clock_file = folder / "clock.json"
    await move_clock(clock_file, NOON)
    rates, aucs, medians = {}, {}, {}
    async with AsyncExitStack() as stack:
        peers = await stack.enter_async_context(outside(folder))
        settings = settings_of(peers, clock_file)
        running = registration_process(folder, admin_dsn, **settings)
        service = await stack.enter_async_context(running)
        server = RegistrationServer(service.dsn, service.port, service.ca, clock_file, stack)
        await apply_session(server)
        ticket_numbers = await admit(server)
        portal = await server.caller("portal")
        for case in CASES:
            began = time.perf_counter()
            times = await measure(portal, case, ticket_numbers)
            rates[case.name] = Rate(2 * CALLS, time.perf_counter() - began)
            aucs[f"{case.name}_auc"] = times.auc
            medians[case.name] = [median(times.known), median(times.unknown)]
            sys.stdout.write(f"[bench] {case.name}: AUC {times.auc:.3f}\n")
    report("timing", rates, aucs, median_seconds_known_unknown=medians)
    if any(abs(auc - 0.5) > FAR for auc in aucs.values()):
        raise SystemExit("the time of an answer tells who is registered")


def main() -> None:
    """Measure on a PostgreSQL of our own, which keeps what it commits."""
    with tempfile.TemporaryDirectory(prefix="zikao-bench-") as directory:
        folder = Path(directory)
        with own_postgres(folder) as admin_dsn:
            asyncio.run(bench(folder, admin_dsn))


if __name__ == "__main__":
    main()
