"""What is on record as a scan, and what not: nobody plants scans at doors they are not at."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from support.service import new_id
from support.service_databases import ServiceDatabases
from support.tickets_door import LI, ROOM, ZHANG, DoorWorld, at_door, door_world
from support.tickets_offices import rows
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
