"""How often one may try to recover: of a document, through a caller, in a storm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import pytest
from argon2 import PasswordHasher
from support.registration_older import OLDER_NAME, import_rows, older_row
from support.registration_outside import Outside, outside
from support.registration_people import (
    MOBILE,
    apply_session,
    document_number,
)
from support.registration_recoveries import (
    NEW_PASSWORD,
    NOBODY,
    RESIDENT_ID,
    approved_candidate,
    find,
    finish,
    portal_of,
    start,
)
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.registration.v1 import recovery_service_pb2 as pb
from zikao_kit.error_table import problem_of
from zikao_registration.config import LoginConfig
from zikao_registration.password_hashing import PasswordHashing

NO_ATTEMPT_COUNTS = """
    SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM registration.recovery_attempt WHERE attempts > 0)
"""


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[Outside]:
    """Mail server and SMS gateway."""
    async with outside(tmp_path) as running:
        yield running


@pytest.fixture
async def server(
    make_database: MakeDatabase, tmp_path: Path, peers: Outside
) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, that reaches candidates."""
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path, **peers.settings) as running:
        await apply_session(running)
        yield running


async def approved(server: RegistrationServer, number: int = 1) -> str:
    """A candidate with a ticket number; return that."""
    return (await approved_candidate(server, number))[1]


def asked_question(number: int) -> pb.GetSecurityQuestionRequest:
    """Ask for a question."""
    return pb.GetSecurityQuestionRequest(
        document_type=RESIDENT_ID, document_number=document_number(number)
    )


def guessed_answer(number: int, ticket_number: str = "") -> pb.RecoverWithSecurityAnswerRequest:
    """Answer it wrong."""
    return pb.RecoverWithSecurityAnswerRequest(
        request_id=new_id(),
        document_type=RESIDENT_ID,
        document_number=document_number(number),
        ticket_number=ticket_number,
        answer="猜测",
        new_password=NEW_PASSWORD,
    )


async def reason(caller: Caller, request: Any) -> str:
    """Why a request is refused; empty when it is not."""
    try:
        await caller.call(request)
    except grpc.aio.AioRpcError as error:
        return problem_of(error).reason
    return ""


async def test_attempts_are_limited_for_known_and_unknown(server: RegistrationServer) -> None:
    """The fourth attempt of a day is refused alike, until a day after the first."""
    await approved(server)
    portal = await portal_of(server)
    for number in (1, NOBODY):
        for _ in range(3):
            await portal.call(find(number))
        refused = await portal.refused(find(number))
        assert refused.reason == "RECOVERY_LOCKED"
        assert refused.retry_after is not None
        assert timedelta(hours=23) < refused.retry_after <= timedelta(hours=24)
    await server.move_clock(NOON + timedelta(days=1, minutes=1))
    assert (await portal.call(find(1))).ticket_number != ""


async def test_limits_hold_across_replicas(
    make_database: MakeDatabase, tmp_path: Path, peers: Outside
) -> None:
    """Two processes count as one, and so does one that was started again."""
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path) as one, registration_server(dsn, tmp_path) as two:
        first, second = await portal_of(one), await portal_of(two)
        asked = await asyncio.gather(
            *(each.start(find(NOBODY), 20) for each in (first, second) * 4), return_exceptions=True
        )
        assert len([each for each in asked if not isinstance(each, BaseException)]) == 3
    async with registration_server(dsn, tmp_path) as three:
        assert (await (await portal_of(three)).refused(find(NOBODY))).reason == "RECOVERY_LOCKED"


async def test_callers_are_limited(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Who finds nobody, document after document, waits for some minutes; other callers do not."""
    limit = LoginConfig(attempts_per_caller=4)
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path, login=limit) as server:
        portal = await portal_of(server)
        for number in range(4):
            await portal.call(find(number))
        refused = await portal.refused(find(5))
        assert refused.reason == "RECOVERY_LOCKED"
        assert refused.retry_after is not None
        assert refused.retry_after <= timedelta(minutes=15)
        assert (await (await server.caller("other-portal")).call(find(5))).ticket_number == ""
        await server.move_clock(NOON + timedelta(minutes=16))
        for number in (6, 5, 5):  # what was refused to the caller has not counted for document 5
            await portal.call(find(number))


async def test_candidates_of_a_portal_do_not_stop_each_other(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """However many a caller asks for, and however some mistype, those who are right are served."""
    limit = LoginConfig(attempts_per_caller=4)
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path, login=limit) as server:
        await apply_session(server)
        office = await server.caller("operator")
        await import_rows(office, *(older_row(number) for number in range(1, 21)))
        portal = await portal_of(server)
        for number in range(1, 21):
            name = "别人" if number % 4 == 0 else OLDER_NAME
            await portal.call(find(number, name))


@pytest.mark.parametrize("way", ["ticket_number", "code", "question", "answer"])
async def test_each_way_is_limited_of_a_caller(
    make_database: MakeDatabase, tmp_path: Path, peers: Outside, way: str
) -> None:
    """Whatever is asked of nobodies or guessed wrong stops the caller who does little else."""
    dsn, limit = await make_database("registration"), LoginConfig(attempts_per_caller=2)
    tries: dict[str, Callable[[int], Any]] = {
        "ticket_number": find,
        "code": lambda _: finish(new_id(), "123456"),
        "question": asked_question,
        "answer": guessed_answer,
    }
    async with registration_server(dsn, tmp_path, login=limit, **peers.settings) as server:
        portal = await portal_of(server)
        heard = [await reason(portal, tries[way](number)) for number in range(3)]
        assert heard[-1] == "RECOVERY_LOCKED"
        assert "RECOVERY_LOCKED" not in heard[:-1]


async def test_overload_costs_no_attempt(
    make_database: MakeDatabase,
    tmp_path: Path,
    peers: Outside,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was refused for want of a place to hash in is no try at the code, and no answer."""
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path, **peers.settings) as server:
        await apply_session(server)
        ticket_number = await approved(server)
        portal = await portal_of(server)
        begun = await portal.call(start(1, ticket_number))
        await peers.until_sms()
        code = peers.sms_code(MOBILE)
        with monkeypatch.context() as patched:
            full = partial(PasswordHashing, max_waiting=0)
            patched.setattr("zikao_registration.main.PasswordHashing", full)
            async with registration_server(dsn, tmp_path) as stormed:
                busy = await portal_of(stormed)
                for _ in range(6):
                    assert await reason(busy, guessed_answer(1, ticket_number)) == "OVERLOADED"
                    assert await reason(busy, finish(begun.recovery_id, code)) == "OVERLOADED"
        for _ in range(3):
            assert await reason(portal, guessed_answer(1, ticket_number)) == "RECOVERY_FAILED"
        assert await reason(portal, guessed_answer(1, ticket_number)) == "RECOVERY_LOCKED"
        await portal.call(finish(begun.recovery_id, code))


class HeldHasher(PasswordHasher):
    """Looks at a password once it is let go."""

    def __init__(self) -> None:
        super().__init__(1, 64, 1)
        self.begun, self.go = Event(), Event()
        self.go.set()

    def verify(self, *args: Any, **options: Any) -> Any:
        """Wait before it."""
        self.begun.set()
        assert self.go.wait(20)
        return super().verify(*args, **options)


async def test_who_gives_up_has_not_answered(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer whose caller went away before it was looked at is none of the three."""
    hasher, dsn = HeldHasher(), await make_database("registration")
    monkeypatch.setattr("zikao_registration.main._hasher", lambda _: hasher)
    async with registration_server(dsn, tmp_path) as server:
        portal = await portal_of(server)
        for _ in range(4):
            hasher.begun.clear()
            hasher.go.clear()
            call = portal.start(guessed_answer(NOBODY), 20)
            await until(hasher.begun.is_set)
            call.cancel()
            await until(lambda: server.rows(NO_ATTEMPT_COUNTS))
            hasher.go.set()
        heard = [await reason(portal, guessed_answer(NOBODY)) for _ in range(4)]
        assert heard == ["RECOVERY_FAILED"] * 3 + ["RECOVERY_LOCKED"]
