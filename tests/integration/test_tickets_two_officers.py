"""Dual control at tickets: what one officer proposes, a second one confirms (DOMAIN section 7)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import asyncpg
import grpc
import pytest
import pytest_asyncio
from support.service import new_id
from support.service_databases import ServiceDatabases
from support.tickets_database import CLOSED as ENROLLMENT_CLOSED
from support.tickets_database import SESSION, SITE
from support.tickets_offices import (
    CLOSED,
    DONE,
    NORMAL,
    PENDING,
    REJECT,
    RESERVE,
    audited,
    decision,
    listing,
    officer,
    room_use,
    rows,
)
from support.tickets_peers import COUNTY
from support.tickets_service import Installation, tickets_installation
from zikao.tickets.v1 import office_service_pb2 as pb
from zikao_kit.clock import OffsetClock
from zikao_kit.error_table import reason_of
from zikao_tickets.domain.layout import RoomPlan

pytestmark = pytest.mark.asyncio(loop_scope="module")

# One candidate fills a room: six rooms in use, and one that is not.
DUAL = replace(SESSION, dual_control=True)
ROOMS = replace(SITE, rooms=tuple(RoomPlan(f"{number:03}", 1, 1) for number in range(1, 8)))


BY_ONE = (
    "UPDATE tickets.office_action"
    " SET state = 'done', decided_by = proposed_by, decided_at = proposed_at"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """A session with dual control, a county whose seven rooms have six people in force."""
    dsn = await service_databases.clone("tickets")
    async with tickets_installation(tmp_path_factory.mktemp("officers"), dsn) as running:
        for number in range(1, 7):
            running.peers.register(UUID(int=number), "张三", b"photo")
            running.peers.enroll(UUID(int=number), (1, "00015"))
        await running.apply(DUAL, ROOMS)
        await running.move_to(ENROLLMENT_CLOSED)
        await running.arrive()
        await running.publish((await running.arranged()).arrangement_id)
        yield running
    await service_databases.drop(dsn)


async def use_of(service: Installation, room: str) -> str:
    """What the room is for."""
    (row,) = await rows(service, "SELECT use FROM tickets.room WHERE room_code = $1", room)
    return str(row["use"])


async def test_an_act_waits_for_another_officer(service: Installation) -> None:
    """The one who proposed it cannot confirm it, nor one of another county; a third one can.

    Nor would the database keep that one officer has done both.
    """
    first_id, second_id = new_id(), new_id()
    first, second = officer(service, COUNTY, first_id), officer(service, "5101", second_id)
    action = (await first.call(room_use("001"))).action
    assert action.state == PENDING
    assert action.expires_at.ToSeconds() - action.proposed_at.ToSeconds() == 24 * 3600
    assert await use_of(service, "001") == "normal"
    assert (await first.refused(decision(action))).reason == "SECOND_OFFICER_NEEDED"
    with pytest.raises(asyncpg.CheckViolationError, match="office_action_two_officers"):
        await rows(service, BY_ONE)
    assert (await officer(service, "510105").refused(decision(action))).reason == "OUT_OF_SCOPE"
    assert (await second.call(listing("5101", state=PENDING))).actions == [action]
    confirmation = decision(action)
    confirmed = (await second.call(confirmation)).action
    assert (confirmed.state, confirmed.decided_by) == (DONE, second_id)
    assert confirmed.act.set_room_use.reason == "漏水"
    assert (await second.call(confirmation)).action == confirmed
    assert await use_of(service, "001") == "closed"
    assert list((await second.call(listing("5101", state=PENDING))).actions) == []
    refused = await second.refused(decision(action, REJECT))
    assert (refused.reason, refused.metadata["state"]) == ("ACTION_DECIDED", "已生效")
    confirmation.decision = REJECT
    assert (await second.refused(confirmation)).reason == "REQUEST_ID_REUSED"
    entries = await audited(service, county_prefix=COUNTY)
    assert [(each.action, each.actor) for each in entries[-2:]] == [
        ("propose_set_room_use", first_id),
        ("confirm_set_room_use", second_id),
    ]
    assert entries[-1].before_json == '{"use": "normal", "room": "001", "site": "A", "reason": ""}'


async def test_one_officer_is_enough_for_a_room_without_people(service: Installation) -> None:
    """Nobody in force sits there: it takes effect at once, also under dual control."""
    first = officer(service)
    for use, name in ((RESERVE, "reserve"), (CLOSED, "closed"), (NORMAL, "normal")):
        assert (await first.call(room_use("007", use))).action.state == DONE
        assert await use_of(service, "007") == name


async def test_an_officer_has_a_hundred_pending_acts(service: Installation) -> None:
    """One more is refused; another officer's, and one after the old have expired, is not."""
    first_id = new_id()
    first = officer(service, COUNTY, first_id)
    await first.call(room_use("002"))
    await rows(
        service,
        "INSERT INTO tickets.office_action (action_id, session_code, county_prefix, act, state,"
        " proposed_by, proposed_at, expires_at) SELECT gen_random_uuid(), session_code,"
        " county_prefix, act, state, proposed_by, proposed_at, expires_at"
        " FROM tickets.office_action, generate_series(1, 99) WHERE proposed_by = $1",
        first_id,
    )
    refused = await first.refused(room_use("002"))
    assert (refused.reason, refused.metadata["limit"]) == ("TOO_MANY_PENDING_ACTIONS", "100")
    await first.call(room_use("007", NORMAL))
    await officer(service).call(room_use("002"))
    await service.move_to(OffsetClock(service.clock_file).now() + timedelta(days=1))
    await officer(service, COUNTY, first_id).call(room_use("002"))


async def test_an_act_is_checked_again_when_it_is_confirmed(service: Installation) -> None:
    """What is gone by then stops it; it is pending still, and can be taken back."""
    first, second = officer(service), officer(service)
    action = (await first.call(room_use("003"))).action
    move = "UPDATE tickets.site SET county_code = $1"
    await rows(service, move, "510105")
    assert (await second.refused(decision(action))).reason == "NOT_FOUND"
    await rows(service, move, COUNTY)
    assert await use_of(service, "003") == "normal"
    assert (await first.call(decision(action, REJECT))).action.decided_by
    unknown = decision(pb.OfficeAction(action_id=new_id()))
    assert (await second.refused(unknown)).reason == "NOT_FOUND"


async def test_nobody_confirms_what_is_too_old(service: Installation) -> None:
    """After its time an act has expired, and is listed as such."""
    action = (await officer(service).call(room_use("003", RESERVE))).action
    await service.move_to(OffsetClock(service.clock_file).now() + timedelta(hours=24))
    second = officer(service)
    refused = await second.refused(decision(action))
    assert (refused.reason, refused.metadata["state"]) == ("ACTION_DECIDED", "已过期")
    expired = listing(COUNTY, state=pb.OFFICE_ACTION_STATE_EXPIRED, page_size=1)
    page = await second.call(expired)
    assert [each.action_id for each in page.actions] == [action.action_id]
    expired.page_token = page.next_page_token
    assert (await second.call(expired)).actions[0].action_id != action.action_id


async def test_two_confirmations_at_once_are_one(service: Installation) -> None:
    """One of them decides; the other is told that it is decided."""
    action = (await officer(service).call(room_use("004"))).action
    others = [officer(service, "5101") for _ in range(4)]

    async def confirm(number: int) -> str | None:
        try:
            await others[number].call(decision(action))
        except grpc.aio.AioRpcError as error:
            return reason_of(error)
        return None

    answers = await asyncio.gather(*map(confirm, range(4)))
    assert sorted(map(str, answers)) == ["ACTION_DECIDED"] * 3 + ["None"]
    done = await audited(service, action="confirm_set_room_use", county_prefix=COUNTY)
    assert [action.action_id in each.after_json for each in done].count(True) == 1


async def test_without_dual_control_one_officer_is_enough(service: Installation) -> None:
    """The setting of the session decides; what was pending before waits still."""
    first = officer(service)
    pending = (await first.call(room_use("005"))).action
    assert await service.apply(replace(DUAL, dual_control=False), ROOMS) == ["双人复核由是改为否"]
    assert (await first.call(room_use("006"))).action.state == DONE
    assert (await first.refused(decision(pending))).reason == "SECOND_OFFICER_NEEDED"
    await service.apply(DUAL, ROOMS)
