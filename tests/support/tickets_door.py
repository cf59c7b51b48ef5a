"""Three people who have printed, and scanners at the doors of their county."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from support.service import Caller, new_id
from support.service_databases import ServiceDatabases
from support.tickets_database import MORNING, SESSION
from support.tickets_offices import officer
from support.tickets_peers import COUNTY
from support.tickets_service import Installation, tickets_installation
from zikao.tickets.v1 import door_service_pb2 as pb
from zikao.tickets.v1 import ticket_service_pb2 as tickets
from zikao.tickets.v1 import verification_service_pb2 as door
from zikao_sandbox.portraits import portrait_jpeg

ZHANG, LI, WANG = (UUID(int=number) for number in range(1, 4))
SITE, ROOM = "A", "001"
NOW = MORNING + timedelta(minutes=45)
EVERY_SLOT = tuple(replace(SESSION.slots[0], number=number) for number in range(1, 65))


class DoorWorld:
    """A county whose candidates have printed; each test has slots of its own."""

    def __init__(self, service: Installation) -> None:
        self.service = service
        self.proofs: dict[UUID, str] = {}
        self.scanner = Caller(service.channel("scanner"))
        self._last_slot = 1

    def slot(self) -> int:
        """A slot that no other test has scanned in."""
        self._last_slot += 1
        return self._last_slot

    async def upload(self, *scans: pb.OfflineScan) -> pb.UploadScansResponse:
        """Bring scans in one message."""
        (answer,) = await self.stream([pb.UploadScansRequest(scans=scans)])
        return answer

    async def stream(
        self, requests: Sequence[pb.UploadScansRequest]
    ) -> list[pb.UploadScansResponse]:
        """Bring messages of scans over one stream."""
        call: Any = self.scanner.channel.stream_stream(
            "/zikao.tickets.v1.DoorService/UploadScans",
            pb.UploadScansRequest.SerializeToString,
            pb.UploadScansResponse.FromString,
        )
        return [answer async for answer in call(iter(requests), timeout=20)]

    async def duplicates(self, slot: int = 0, **fields: Any) -> pb.ListDuplicateScansResponse:
        """What the county's officer is shown."""
        request = pb.ListDuplicateScansRequest(
            **{"session_code": "22.1", "county_prefix": COUNTY, "slot": slot, **fields}
        )
        answer: pb.ListDuplicateScansResponse = await officer(self.service).call(request)
        return answer

    async def scanned(self, person: UUID, slot: int, **fields: Any) -> Any:
        """A scan with a network."""
        request = door.VerifyTicketRequest(proof=self.proofs[person], scan=at_door(slot, **fields))
        return await self.scanner.call(request)


@asynccontextmanager
async def door_world(databases: ServiceDatabases, directory: Path) -> AsyncIterator[DoorWorld]:
    """A service in which three people have printed."""
    dsn = await databases.clone("tickets")
    async with tickets_installation(directory, dsn) as running:
        for person in (ZHANG, LI, WANG):
            jpeg = portrait_jpeg(person.int, "女")
            running.peers.photos[str(person)] = jpeg
            running.peers.register(person, "张三", jpeg)
            running.peers.enroll(person, (1, "00015"))
        await running.published_county()
        await running.apply(replace(SESSION, slots=EVERY_SLOT))
        await running.move_to(NOW)
        world = DoorWorld(running)
        for person in (ZHANG, LI, WANG):
            world.proofs[person] = await printed(running, person)
        yield world
    await databases.drop(dsn)


async def printed(service: Installation, person: UUID) -> str:
    """The QR code's text of the candidate's ticket."""
    me = Caller(service.channel("portal"), service.token(person, "candidate"))
    names = {"session_code": "22.1"}
    await me.call(tickets.AcknowledgeNoticeRequest(request_id=new_id(), version=1, **names))
    request = tickets.PrintTicketRequest(request_id=new_id(), **names)
    return str((await me.call(request)).proof)


def at_door(slot: int, after: timedelta = timedelta(0), **fields: Any) -> door.DoorScan:
    """A scan at a door, some time after the first."""
    moment = Timestamp()
    moment.FromDatetime(MORNING + after)
    values = {"scan_id": new_id(), "site_code": SITE, "room": ROOM, "device": "gate-1", **fields}
    return door.DoorScan(slot=slot, scanned_at=moment, **values)


def offline(proof: str, slot: int, **fields: Any) -> pb.OfflineScan:
    """A scan that was made without a network."""
    return pb.OfflineScan(proof=proof, scan=at_door(slot, **fields))
