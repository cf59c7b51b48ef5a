"""Who sits where is known to nobody before it is published, not even by trying what is left."""

import json
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from support.service import new_id
from support.service_databases import MakeDatabase
from support.tickets_database import CLOSED, SESSION
from support.tickets_offices import listing, officer
from support.tickets_service import tickets_installation
from zikao.tickets.v1 import arrangement_operation_service_pb2 as operations
from zikao.tickets.v1 import arrangement_service_pb2 as arrangements
from zikao_tickets.domain.material import seats_sha256
from zikao_tickets.domain.seat import Seat

CITY, LATE = "5101", UUID(int=99)
SESSION_CODE, SEATS_OF_A_ROOM = "22.1", 30


async def test_nobody_finds_a_seat_out_before_it_is_published(
    tmp_path: Path, make_database: MakeDatabase
) -> None:
    """With few places that are left, the digest of the seats would name the one that was drawn.

    Whoever knew it could change what the draw depends on, and arrange again with the same seed.
    """
    async with tickets_installation(tmp_path, await make_database("tickets")) as service:
        for number in (1, 2):
            service.peers.register(UUID(int=number), "张三", b"photo")
            service.peers.enroll(UUID(int=number), (1, "00015"))
        await service.apply(replace(SESSION, dual_control=True))
        await service.move_to(CLOSED)
        await service.arrive()
        published = await service.publish((await service.arranged()).arrangement_id)
        city = officer(service, CITY)
        export = operations.ExportArrangementRequest(arrangement_id=published.arrangement_id)
        _, seated = [json.loads(part.lines) async for part in city.start(export, 10.0)]
        seats = [Seat(*seat) for seat in seated["seats"]]

        service.peers.register(LATE, "李四", b"photo")
        service.peers.enroll(LATE, (1, "00015"))
        await service.arrive()
        found = await service.arranged()
        left = set(range(1, SEATS_OF_A_ROOM + 1)) - {seat.seat_number for seat in seats}
        late = seats[0]._replace(candidate_id=str(LATE))
        guesses = [
            seats_sha256([*seats, late._replace(seat_number=number)]) for number in sorted(left)
        ]
        export.arrangement_id = found.arrangement_id
        one = arrangements.PublishArrangementRequest(
            request_id=new_id(), arrangement_id=found.arrangement_id
        )
        many = operations.PublishArrangementsRequest(
            request_id=new_id(), session_code=SESSION_CODE, county_prefix=CITY
        )
        area = operations.ListArrangementsRequest(session_code=SESSION_CODE, county_prefix=CITY)
        told = [
            found,
            await city.call(one),
            await city.call(many),
            await city.call(area),
            await city.call(listing(CITY)),
            *[part async for part in city.start(export, 10.0)],
        ]
        shown = b"".join(each.SerializeToString() for each in told)
        assert not [each for each in guesses if each in shown or each.hex().encode() in shown]
        after = await service.publish(found.arrangement_id)
        assert after.seats_sha256 in guesses
