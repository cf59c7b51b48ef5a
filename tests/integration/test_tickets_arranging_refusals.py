"""Every reason for which arranging and publishing are refused, got from each method."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from support.service import new_id, until
from support.service_databases import MakeDatabase
from support.tickets_database import CLOSED, SESSION
from support.tickets_offices import decision, officer, rows
from support.tickets_peers import COUNTY
from support.tickets_service import Installation, tickets_installation
from zikao.tickets.v1 import arrangement_operation_service_pb2 as pb
from zikao.tickets.v1 import arrangement_service_pb2 as arrangements

DUAL = replace(SESSION, dual_control=True)
FAIL = "UPDATE tickets.arrangement SET state = 'failed'"


@pytest.fixture
async def service(tmp_path: Path, make_database: MakeDatabase) -> AsyncIterator[Installation]:
    """A county with five candidates, an hour before it may be arranged."""
    async with tickets_installation(tmp_path, await make_database("tickets")) as running:
        for number in range(1, 6):
            running.peers.register(UUID(int=number), "张三", b"photo")
            running.peers.enroll(UUID(int=number), (1, "00015"))
        await running.apply()
        await running.move_to(CLOSED - timedelta(minutes=30))
        await running.arrive()
        yield running


def start(**fields: Any) -> arrangements.StartArrangementRequest:
    """Start the county's arrangement."""
    given: dict[str, Any] = {
        "request_id": new_id(),
        "session_code": "22.1",
        "county_code": COUNTY,
    }
    return arrangements.StartArrangementRequest(**given | fields)


def start_all(**fields: Any) -> pb.StartArrangementsRequest:
    """Start all counties of the area, which is the county."""
    given = {"request_id": new_id(), "session_code": "22.1", "county_prefix": COUNTY}
    return pb.StartArrangementsRequest(**given | fields)


def publish(arrangement_id: str, **fields: Any) -> arrangements.PublishArrangementRequest:
    """Publish an arrangement."""
    given = {"request_id": new_id(), "arrangement_id": arrangement_id}
    return arrangements.PublishArrangementRequest(**given | fields)


def publish_all(**fields: Any) -> pb.PublishArrangementsRequest:
    """Publish what is done in the county."""
    given = {"request_id": new_id(), "session_code": "22.1", "county_prefix": COUNTY}
    return pb.PublishArrangementsRequest(**given | fields)


async def test_starts_are_refused(service: Installation) -> None:
    """Too early, elsewhere, unknown, in progress, another body: of one county and of many."""
    here, elsewhere = officer(service), officer(service, "510105")
    for request in (start(), start_all()):
        assert (await here.refused(request)).reason == "ARRANGEMENT_TOO_EARLY"
        assert (await elsewhere.refused(request)).reason == "OUT_OF_SCOPE"
    for request in (start(session_code="22.2"), start_all(session_code="22.2")):
        assert (await here.refused(request)).reason == "SESSION_UNKNOWN"
    await service.move_to(CLOSED)
    service.peers.enrollment_is_silent = True
    one = start()
    begun = (await here.call(one)).arrangement
    one.anew = True
    assert (await here.refused(one)).reason == "REQUEST_ID_REUSED"
    assert (await here.refused(start())).reason == "STATE_NOT_ALLOWED"
    look = arrangements.GetArrangementRequest(arrangement_id=begun.arrangement_id)
    assert (await elsewhere.refused(look)).reason == "OUT_OF_SCOPE"
    look.arrangement_id = new_id()
    assert (await here.refused(look)).reason == "NOT_FOUND"
    cancel = pb.CancelArrangementsRequest(request_id=new_id(), arrangement_id=begun.arrangement_id)
    await here.call(cancel)
    cancel.arrangement_id = new_id()
    assert (await here.refused(cancel)).reason == "REQUEST_ID_REUSED"
    cancel.ClearField("arrangement_id")
    assert (await here.refused(cancel)).reason == "INVALID_REQUEST"
    many = start_all()
    await here.call(many)
    many.anew = True
    assert (await here.refused(many)).reason == "REQUEST_ID_REUSED"


async def test_proposals_are_refused(service: Installation) -> None:
    """Nobody's, elsewhere, another body, a hundred acts that wait: of one county and of many."""
    await service.apply(DUAL)
    await service.move_to(CLOSED)
    here, elsewhere, first = officer(service), officer(service, "510105"), new_id()
    older, newer = await service.arranged(), await service.arranged()
    busy, same_in_the_city = officer(service, COUNTY, first), officer(service, "5101", first)
    one, many = publish(newer.arrangement_id), publish_all()
    await busy.call(one)
    await busy.call(many)
    one.arrangement_id, many.county_prefix = older.arrangement_id, "5101"
    assert (await busy.refused(one)).reason == "REQUEST_ID_REUSED"
    assert (await same_in_the_city.refused(many)).reason == "REQUEST_ID_REUSED"
    assert (await here.refused(publish(new_id()))).reason == "NOT_FOUND"
    assert (await here.refused(publish_all(session_code="22.2"))).reason == "SESSION_UNKNOWN"
    for request in (publish(newer.arrangement_id), publish_all()):
        assert (await elsewhere.refused(request)).reason == "OUT_OF_SCOPE"
    await rows(service, FORTY_NINE_MORE, first)
    for request in (publish(newer.arrangement_id), publish_all()):
        assert (await busy.refused(request)).reason == "TOO_MANY_PENDING_ACTIONS"


FORTY_NINE_MORE = (
    "INSERT INTO tickets.office_action (action_id, session_code, county_prefix, act, state,"
    " proposed_by, proposed_at, expires_at) SELECT gen_random_uuid(), session_code, county_prefix,"
    " act, state, proposed_by, proposed_at, expires_at"
    " FROM tickets.office_action, generate_series(1, 49) WHERE proposed_by = $1"
)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("DELETE FROM tickets.seat WHERE seat_number = 1", "ARRANGEMENT_INVALID"),
        ("UPDATE tickets.arrangement SET seats_sha256 = 'other'", "ARRANGEMENT_CHANGED"),
        (FAIL, "STATE_NOT_ALLOWED"),
    ],
)
async def test_what_is_not_as_it_was_is_not_published(
    service: Installation, damage: str, reason: str
) -> None:
    """By one officer, by a second one who confirms it, of one county and of all there are."""
    await service.apply(DUAL)
    await service.move_to(CLOSED)
    here, second = officer(service), officer(service)
    done = await service.arranged()
    action = (await here.call(publish(done.arrangement_id))).action
    await rows(service, damage)
    assert (await second.refused(decision(action))).reason == reason
    assert (await here.refused(publish(done.arrangement_id))).reason == reason
    of_many = "NOTHING_TO_PUBLISH" if damage == FAIL else reason
    assert (await here.refused(publish_all())).reason == of_many


async def test_what_ends_meanwhile_is_not_published(service: Installation) -> None:
    """An arrangement that fails between the look and the act is refused by its state."""
    await service.move_to(CLOSED)
    await service.arranged()
    connection = await asyncpg.connect(service.config.database.dsn)
    watcher = await asyncpg.connect(service.config.database.dsn)

    async def waits() -> bool:
        found = await watcher.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(found)

    async with connection.transaction():
        await connection.execute(FAIL)
        refused = asyncio.create_task(officer(service).refused(publish_all()))
        await until(waits)
    assert (await refused).reason == "STATE_NOT_ALLOWED"
    await connection.close()
    await watcher.close()
