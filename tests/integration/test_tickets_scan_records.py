"""What is on record as a scan, and what not: nobody plants scans at doors they are not at."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from support.service import new_id
from support.service_databases import ServiceDatabases
from support.tickets_database import MORNING
from support.tickets_door import LI, ROOM, WANG, ZHANG, DoorWorld, at_door, door_world, offline
from support.tickets_offices import officer, rows
from support.tickets_peers import ticket_number
from zikao.tickets.v1 import office_ticket_service_pb2 as offices
from zikao.tickets.v1 import types_pb2 as types
from zikao.tickets.v1 import verification_service_pb2 as door

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE = timedelta(minutes=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DoorWorld]:
    """Three people who have printed."""
    async with door_world(service_databases, tmp_path_factory.mktemp("planted")) as it:
        yield it


async def test_the_id_of_another_scan_is_refused(world: DoorWorld) -> None:
    """A device that numbers its scans anew would leave no trace: nobody gets in with it."""
    slot, taken = world.slot(), new_id()
    await world.scanned(ZHANG, slot, scan_id=taken)
    for person, changes in ((LI, {}), (ZHANG, {"room": "002"}), (ZHANG, {"after": MINUTE})):
        scan = at_door(slot, scan_id=taken, **changes)
        request = door.VerifyTicketRequest(proof=world.proofs[person], scan=scan)
        assert (await world.scanner.refused(request)).reason == "SCAN_ID_REUSED"
    kept = await rows(world.service, "SELECT room_code FROM tickets.scan WHERE slot = $1", slot)
    assert [row["room_code"] for row in kept] == [ROOM]
    said = "SELECT verdict FROM tickets.verification ORDER BY verification_id DESC LIMIT 4"
    verdicts = [row["verdict"] for row in await rows(world.service, said)]
    assert verdicts == ["SCAN_ID_REUSED"] * 3 + ["ACCEPTED"]


async def test_whoever_may_not_look_plants_no_scan(world: DoorWorld) -> None:
    """An officer of elsewhere leaves no trace at this door, nor with a ticket that was revoked."""
    slot = world.slot()
    stranger = officer(world.service, "510105")
    reissue = offices.ReissueTicketRequest(
        request_id=new_id(),
        session_code="22.1",
        ticket_number=ticket_number(WANG),
        reason=types.TICKET_REASON_LOST,
        note="遗失",
    )
    await officer(world.service).call(reissue)
    for person in (ZHANG, WANG):
        request = door.VerifyTicketRequest(proof=world.proofs[person], scan=at_door(slot))
        assert (await stranger.refused(request)).reason == "OUT_OF_SCOPE"
    kept = "SELECT version FROM tickets.scan WHERE slot = $1"
    assert await rows(world.service, kept, slot) == []
    revoked = door.VerifyTicketRequest(proof=world.proofs[WANG], scan=at_door(slot))
    refused = await officer(world.service).refused(revoked)
    assert refused.metadata["proof_reason"] == "REVOKED"
    assert [row["version"] for row in await rows(world.service, kept, slot)] == [1]


@pytest.mark.parametrize(
    ("slot", "after", "problem"),
    [
        (65, timedelta(0), "UNKNOWN_SLOT"),
        (1, timedelta(days=-1), "WRONG_TIME"),
        (1, timedelta(days=1), "WRONG_TIME"),
        (1, timedelta(days=28_000), "WRONG_TIME"),
        (1, timedelta(minutes=51), "WRONG_TIME"),
    ],
)
async def test_nobody_scans_at_another_time(
    world: DoorWorld, slot: int, after: timedelta, problem: str
) -> None:
    """Another day's scans, and those of the future, would hide the true ones."""
    request = door.VerifyTicketRequest(proof=world.proofs[ZHANG], scan=at_door(slot, after=after))
    refused = await world.scanner.refused(request)
    assert refused.reason == "INVALID_REQUEST"
    field = {"UNKNOWN_SLOT": "scan.slot", "WRONG_TIME": "scan.scanned_at"}[problem]
    assert [each.field for each in refused.fields] == [field]
    answer = await world.upload(offline(world.proofs[ZHANG], slot, after=after))
    assert [each.reason for each in answer.rejected] == [problem]
    kept = "SELECT 1 FROM tickets.scan WHERE slot = $1 AND scanned_at = $2"
    assert await rows(world.service, kept, slot, MORNING + after) == []
