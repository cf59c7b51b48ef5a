"""Why arrangements are not published, one or many, proposed or confirmed."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from support.service import Caller, new_id, until
from support.service_databases import ServiceDatabases
from support.tickets_database import CLOSED, SESSION, SITE
from support.tickets_offices import NORMAL, PENDING, audited, decision, officer, room_use, rows
from support.tickets_peers import COUNTY
from support.tickets_service import Installation, tickets_installation
from zikao.tickets.v1 import arrangement_operation_service_pb2 as pb
from zikao.tickets.v1 import arrangement_service_pb2 as arrangements
from zikao_kit.queries import Queries
from zikao_tickets.domain.states import KEPT_NOTHING

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEIGHBOUR = "510105"
SITES = (SITE, replace(SITE, code="B", county_code=NEIGHBOUR))
CITY = "5101"
LOCK_PUBLISHABLE = Queries.load("zikao_tickets")["lock_publishable"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """Two counties of a city that are arranged, under dual control."""
    dsn = await service_databases.clone("tickets")
    async with tickets_installation(tmp_path_factory.mktemp("publishing"), dsn) as running:
        for number in range(1, 5):
            running.peers.register(UUID(int=number), "张三", b"photo")
            county = COUNTY if number % 2 else NEIGHBOUR
            running.peers.enroll(UUID(int=number), (1, "00015"), county=county)
        await running.apply(replace(SESSION, dual_control=True), *SITES)
        await running.move_to(CLOSED)
        await running.arrive()
        start = pb.StartArrangementsRequest(
            request_id=new_id(), session_code="22.1", county_prefix=CITY
        )
        await officer(running, CITY).call(start)
        done = "SELECT count(*) AS done FROM tickets.arrangement WHERE state = 'done'"

        async def arranged() -> bool:
            return bool((await rows(running, done))[0]["done"] == 2)

        await until(arranged)
        yield running
    await service_databases.drop(dsn)


@pytest.fixture
def city(service: Installation) -> Caller:
    """An officer of the city."""
    return officer(service, CITY)


def many(prefix: str = CITY) -> pb.PublishArrangementsRequest:
    """Publish what is done in an area."""
    return pb.PublishArrangementsRequest(
        request_id=new_id(), session_code="22.1", county_prefix=prefix
    )


async def alone(service: Installation) -> arrangements.PublishArrangementRequest:
    """Publish the county's."""
    (row,) = await rows(
        service, "SELECT arrangement_id FROM tickets.arrangement WHERE county_code = $1", COUNTY
    )
    return arrangements.PublishArrangementRequest(
        request_id=new_id(), arrangement_id=str(row["arrangement_id"])
    )


async def test_a_repetition_gets_the_first_answer(service: Installation, city: Caller) -> None:
    """The same act is proposed once, whatever has become of the arrangements by then."""
    for request in (many(), await alone(service)):
        first = (await city.call(request)).action
        assert first.state == PENDING
        assert (await city.call(request)).action == first


async def test_an_officer_has_a_hundred_pending_acts(service: Installation) -> None:
    """A publication is no exception."""
    officer_id = new_id()
    mine = officer(service, CITY, officer_id)
    action = (await mine.call(many())).action
    await rows(
        service,
        "INSERT INTO tickets.office_action (action_id, session_code, county_prefix, act, state,"
        " proposed_by, proposed_at, expires_at) SELECT gen_random_uuid(), session_code,"
        " county_prefix, act, state, proposed_by, proposed_at, expires_at"
        " FROM tickets.office_action, generate_series(1, 99) WHERE action_id = $1",
        UUID(action.action_id),
    )
    for request in (many(), await alone(service)):
        assert (await mine.refused(request)).reason == "TOO_MANY_PENDING_ACTIONS"
    await mine.call(room_use("001", NORMAL))


async def test_a_damaged_arrangement_is_not_even_proposed(
    service: Installation, city: Caller
) -> None:
    """One alone is checked whole when it is proposed, and again when it is confirmed."""
    action = (await city.call(await alone(service))).action
    seat = "UPDATE tickets.seat SET course_code = $2 WHERE candidate_id = $1"
    await rows(service, seat, UUID(int=1), "00018")
    for request in (await alone(service), many(COUNTY)):
        assert (await city.refused(request)).reason == "ARRANGEMENT_INVALID"
    second = officer(service, "51")
    assert (await second.refused(decision(action))).reason == "ARRANGEMENT_INVALID"
    await rows(service, seat, UUID(int=1), "00015")


@pytest.mark.parametrize(
    ("change", "back", "reason"),
    [
        (
            "seats_sha256 = seats_sha256 || '\\x00'",
            "seats_sha256 = substring(seats_sha256 FROM 1 FOR 32)",
            "ARRANGEMENT_CHANGED",
        ),
        ("state = 'cancelled'", "state = 'done'", "STATE_NOT_ALLOWED"),
    ],
)
async def test_what_changes_meanwhile_is_not_proposed(
    service: Installation, city: Caller, change: str, back: str, reason: str
) -> None:
    """Between the look at what is done and its lock another may have come first."""
    connection = await asyncpg.connect(service.config.database.dsn)
    async with connection.transaction():
        await connection.execute(f"UPDATE tickets.arrangement SET {change}")
        proposing = asyncio.ensure_future(city.refused(many()))

        async def waits() -> Any:
            return await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )

        await until(waits)
    assert (await proposing).reason == reason
    await connection.execute(f"UPDATE tickets.arrangement SET {back}")
    await connection.close()


async def test_what_nobody_can_check_is_not_published(service: Installation, city: Caller) -> None:
    """One made before digests were kept is no candidate for publication, and says why."""
    digests = await rows(service, "SELECT arrangement_id, seats_sha256 FROM tickets.arrangement")
    await rows(service, "UPDATE tickets.arrangement SET seats_sha256 = NULL")
    refused = await city.refused(await alone(service))
    assert (refused.reason, refused.metadata["state"]) == ("STATE_NOT_ALLOWED", KEPT_NOTHING)
    assert (await city.refused(many())).reason == "NOTHING_TO_PUBLISH"
    back = "UPDATE tickets.arrangement SET seats_sha256 = $2 WHERE arrangement_id = $1"
    for row in digests:
        await rows(service, back, *row)


async def test_more_rooms_than_are_proven_need_a_word(service: Installation, city: Caller) -> None:
    """Refused with the counties' names, also to a second officer, unless the act says so."""
    acts = [(await city.call(request)).action for request in (await alone(service), many())]
    await rows(service, "UPDATE tickets.arrangement SET rooms_bound = 0")
    refused = await city.refused(many())
    assert (refused.reason, refused.metadata["counties"]) == (
        "MORE_ROOMS_THAN_BOUND",
        f"{COUNTY}、{NEIGHBOUR}",
    )
    for request in (await alone(service), many(COUNTY)):
        refused = await city.refused(request)
        assert (refused.reason, refused.metadata["counties"]) == ("MORE_ROOMS_THAN_BOUND", COUNTY)
    second = officer(service, "51")
    for action in acts:
        assert (await second.refused(decision(action))).reason == "MORE_ROOMS_THAN_BOUND"
    waiving = many()
    waiving.above_bound = True
    act = (await city.call(waiving)).action.act.publish_arrangements
    assert (act.above_bound, [(each.rooms, each.rooms_bound) for each in act.arrangements]) == (
        True,
        [(1, 0), (1, 0)],
    )
    # Who keeps seats that are in force proves nothing.
    await rows(service, "UPDATE tickets.arrangement SET based_on = arrangement_id")
    locked = await rows(service, LOCK_PUBLISHABLE, [UUID(act.arrangements[0].arrangement_id)])
    assert [row["is_above_bound"] for row in locked] == [False]
    await rows(service, "UPDATE tickets.arrangement SET based_on = NULL")


async def test_what_is_published_is_not_confirmed_again(
    service: Installation, city: Caller
) -> None:
    """Two officers proposed the same, each with a word for its rooms: the second is too late."""
    waiving = await alone(service), await alone(service)
    acts = []
    for request in waiving:
        request.above_bound = True
        acts.append((await city.call(request)).action)
    second = officer(service, "51")
    assert (await second.call(decision(acts[0]))).action.act.publish_arrangements.above_bound
    assert (await second.refused(decision(acts[1]))).reason == "STATE_NOT_ALLOWED"
    (told,) = await audited(service, county_prefix=COUNTY, action="confirm_publish_arrangements")
    assert json.loads(told.after_json)["above_bound"]
