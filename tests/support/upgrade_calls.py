"""Candidates and a scanner who call all the time, while something is done to the system.

Every answer that is not what was asked for is a failed call: the client repeats what its service
config lets it repeat, and nobody comes again by himself. Only while processes start and end is a
call made again, with its request id and as the contracts ask, that went with its connection or
found a process that starts: nothing here takes its address from callers, as Kubernetes does.
A process that gets too little of this machine says OVERLOADED, and is asked again as it wishes.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from typing import Any

import grpc
from support.service import until
from support.upgrade_story import Story
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import order_service_pb2 as orders
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import registration_service_pb2 as registrations
from zikao.registration.v1 import types_pb2 as types
from zikao.tickets.v1 import ticket_service_pb2 as tickets
from zikao.tickets.v1 import verification_service_pb2 as verification
from zikao_client import CallFailed, bearer, new_request_id, patiently
from zikao_ctl.demo.people import resident_number
from zikao_ctl.demo.stage import Player, Stage
from zikao_kit.convert import time_to_pb
from zikao_kit.error_table import reason_of
from zikao_kit.errors import OVERLOADED

ROUNDS_SECONDS = 60.0
# Many enough for every moment of a migration, and not so many that nothing else gets a processor.
PAUSE_SECONDS = 0.15
NOT_REACHED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
_NEWCOMERS = count()


@dataclass
class Calls:
    """What was called until now; `failed` says which method answered what.

    `rolling`: processes start and end meanwhile.
    """

    rolling: bool
    answered: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    rounds: Counter[int] = field(default_factory=Counter)

    async def make(self, method: Any, request: Any, **options: Any) -> Any:
        """Call; None when it failed."""
        name = type(request).__name__.removesuffix("Request")
        try:
            answer = await method(request, **options)
        except grpc.aio.AioRpcError as error:
            what = f"{name}: {error.code().name} {error.details()}"
            if self.rolling and error.code() in NOT_REACHED:
                self.repeated.append(what)
            elif reason_of(error) != OVERLOADED:
                self.failed.append(what)
                return None
            try:
                answer = await patiently(lambda: method(request, **options))
            except CallFailed as failed:
                self.failed.append(f"{what}, then {failed}")
                return None
        self.answered[name] += 1
        return answer


@asynccontextmanager
async def calling(stage: Stage, story: Story, *, rolling: bool) -> AsyncIterator[Calls]:
    """Call while the block runs, some rounds before it and some after it; no call may fail."""
    for player in stage.players:
        await stage.log_in(player)
    calls, end = Calls(rolling), asyncio.Event()
    rounds: list[Callable[[], Awaitable[None]]] = [
        lambda: _register(stage, calls),
        lambda: _verify(stage, calls, story),
        *(_enrolling(stage, calls, player) for player in stage.players),
    ]
    async with asyncio.TaskGroup() as group:
        for number, one in enumerate(rounds):
            group.create_task(_go_on(number, one, calls, end))
        try:
            await _all_go_round(calls, len(rounds))
            yield calls
            await _all_go_round(calls, len(rounds))
        finally:
            end.set()
    assert not calls.failed, calls.failed[:20]


async def _go_on(
    number: int, one: Callable[[], Awaitable[None]], calls: Calls, end: asyncio.Event
) -> None:
    while not end.is_set():
        await one()
        calls.rounds[number] += 1
        await asyncio.sleep(PAUSE_SECONDS)


async def _all_go_round(calls: Calls, workers: int) -> None:
    """Wait until everybody has begun and ended a round."""
    before = Counter(calls.rounds)
    await until(
        lambda: all(calls.rounds[each] >= before[each] + 2 for each in range(workers)),
        ROUNDS_SECONDS,
    )


async def _register(stage: Stage, calls: Calls) -> None:
    """Somebody new: an account, a login, personal data, and what is there then."""
    number, born = next(_NEWCOMERS), date(2001, 2, 3)
    document = resident_number(stage.players[0].person.county_code, born, 2 * number + 1)
    password = f"newcomer-{number:04}"
    account = accounts.CreateAccountRequest(
        request_id=new_request_id(),
        session_code=stage.session.code,
        document_type=types.DOCUMENT_TYPE_RESIDENT_ID,
        document_number=document,
        password=password,
    )
    if not await calls.make(stage.zikao.accounts.CreateAccount, account):
        return
    log_in = accounts.LogInRequest(login_name=document, password=password)
    if not (answer := await calls.make(stage.zikao.accounts.LogIn, log_in)):
        return
    metadata = bearer(answer.tokens.access_token)
    update = registrations.UpdateRegistrationRequest(
        request_id=new_request_id(),
        personal=types.PersonalData(
            name="新来",
            sex=types.SEX_MALE,
            ethnicity_code="01",
            birth_date=born.isoformat(),
            county_code=stage.players[0].person.county_code,
            track=types.TRACK_SOCIAL,
            major_code=stage.players[0].person.major_code,
            mobile=f"171{number:08}",
        ),
    )
    service = stage.zikao.registrations
    await calls.make(service.UpdateRegistration, update, metadata=metadata)
    read = registrations.GetRegistrationRequest()
    found = await calls.make(service.GetRegistration, read, metadata=metadata)
    assert found is None or found.registration.personal.name == "新来"


def _enrolling(stage: Stage, calls: Calls, player: Player) -> Callable[[], Awaitable[None]]:
    """Seats taken, changed, looked at and given back."""
    person, code = player.person, stage.session.code
    wish = enrollment.EnrollmentChoice(
        course_codes=person.course_codes, county_codes=person.county_codes
    )
    other = enrollment.EnrollmentChoice(
        course_codes=person.course_codes[:1], county_codes=person.county_codes[::-1]
    )

    async def one() -> None:
        metadata, zikao = player.metadata, stage.zikao
        submit = enrollment.SubmitEnrollmentRequest(
            request_id=new_request_id(), session_code=code, choice=wish
        )
        call = zikao.enrollment.SubmitEnrollment
        if not (held := await calls.make(call, submit, metadata=metadata)):
            return
        order_id = held.order.order_id
        change = orders.ChangeOrderRequest(
            request_id=new_request_id(), order_id=order_id, choice=other
        )
        await calls.make(zikao.orders.ChangeOrder, change, metadata=metadata)
        look = enrollment.ListOrdersRequest(session_code=code, page_size=1)
        await calls.make(zikao.enrollment.ListOrders, look, metadata=metadata)
        seats = enrollment.GetAvailabilityRequest(session_code=code)
        await calls.make(zikao.enrollment.GetAvailability, seats)
        cancel = orders.CancelOrderRequest(request_id=new_request_id(), order_id=order_id)
        await calls.make(zikao.orders.CancelOrder, cancel, metadata=metadata)
        notice = tickets.AcknowledgeNoticeRequest(
            request_id=new_request_id(), session_code=code, version=stage.session.notice.version
        )
        await calls.make(zikao.tickets.AcknowledgeNotice, notice, metadata=metadata)

    return one


async def _verify(stage: Stage, calls: Calls, story: Story) -> None:
    """A ticket of a session that is over, at the door of its first room."""
    player, session = story.printed[0], story.stage.session
    scan = verification.DoorScan(
        scan_id=str(uuid.uuid4()),
        slot=1,
        site_code=session.sites[0].code,
        room="001",
        device="door-001",
        scanned_at=time_to_pb(session.slots[0].starts_at),
    )
    request = verification.VerifyTicketRequest(proof=player.proof, scan=scan)
    answer = await calls.make(stage.scanner.verification.VerifyTicket, request)
    assert answer is None or answer.name == player.person.name
    notice = tickets.GetNoticeRequest(session_code=stage.session.code)
    await calls.make(stage.zikao.tickets.GetNotice, notice)
