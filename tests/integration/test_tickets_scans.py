"""Scans at doors: with a network, without one and brought together afterwards, seen twice."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import grpc
import pytest
import pytest_asyncio
from support.refusals import note
from support.service import method_of, new_id
from support.service_databases import ServiceDatabases
from support.tickets_database import MORNING
from support.tickets_door import (
    LI,
    NOW,
    ROOM,
    SITE,
    WANG,
    ZHANG,
    DoorWorld,
    at_door,
    door_world,
    offline,
    printed,
)
from support.tickets_offices import officer, rows
from support.tickets_peers import COUNTY, ticket_number
from zikao.tickets.v1 import door_service_pb2 as pb
from zikao.tickets.v1 import office_ticket_service_pb2 as offices
from zikao.tickets.v1 import types_pb2 as types
from zikao.tickets.v1 import verification_service_pb2 as door
from zikao_kit.error_table import reason_of
from zikao_kit.migrate import open_database
from zikao_tickets.domain.scans import SAME_DOOR_WITHIN, DuplicateReason, DuplicateScan, Scan
from zikao_tickets.names import PACKAGE
from zikao_tickets.stores.scans import DuplicateFilter, ScanStore

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE = timedelta(minutes=1)
OTHER_PLACE, OTHER_VERSION, LATER, REVOKED = 1, 2, 3, 4
GATE = ""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DoorWorld]:
    """Three people who have printed."""
    async with door_world(service_databases, tmp_path_factory.mktemp("scans")) as it:
        yield it


@pytest.mark.parametrize(
    ("slot", "site", "room", "place"),
    [
        (1, "A", "001", door.DOOR_PLACE_RIGHT),
        (1, "A", "", door.DOOR_PLACE_RIGHT),
        (1, "A", "002", door.DOOR_PLACE_OTHER_ROOM),
        (1, "B", "001", door.DOOR_PLACE_OTHER_SITE),
        (64, "A", "001", door.DOOR_PLACE_OTHER_SLOT),
    ],
)
async def test_a_scanner_is_told_whether_the_ticket_belongs_here(
    world: DoorWorld, slot: int, site: str, room: str, place: int
) -> None:
    """Slot, site and room of the door are compared with those that are signed."""
    answer = await world.scanned(ZHANG, slot, site_code=site, room=room)
    assert answer.place == place
    assert (answer.version, answer.kind) == (1, types.TICKET_KIND_REGULAR)
    assert (answer.name, bool(answer.photo_jpeg), answer.without_photo) == ("张三", True, False)


async def test_a_scan_at_no_time_is_refused(world: DoorWorld) -> None:
    """A device that sends the year 10000, or nanoseconds that there are not, is told so."""
    scan = at_door(1)
    for seconds, nanos in ((10**12, 0), (0, -1), (0, 2 * 10**9)):
        scan.scanned_at.seconds, scan.scanned_at.nanos = seconds, nanos
        request = door.VerifyTicketRequest(proof=world.proofs[ZHANG], scan=scan)
        assert (await world.scanner.refused(request)).reason == "INVALID_REQUEST"


async def test_the_second_scanner_sees_the_first(world: DoorWorld) -> None:
    """Another device's scan in the same slot is in the answer; the same scan again is not."""
    slot, again = world.slot(), new_id()
    first = await world.scanned(ZHANG, slot, scan_id=again)
    assert list(first.other_scans) == []
    assert list((await world.scanned(ZHANG, slot, scan_id=again)).other_scans) == []
    second = await world.scanned(ZHANG, slot, room="002", device="gate-2", after=MINUTE)
    (seen,) = second.other_scans
    assert (seen.site_code, seen.room, seen.device, seen.version) == (SITE, ROOM, "gate-1", 1)
    assert list((await world.scanned(LI, slot)).other_scans) == []


async def test_of_two_at_the_same_moment_one_sees_the_other(world: DoorWorld) -> None:
    """Eight devices scan one ticket at once: each sees the ones that were before it."""
    slot = world.slot()
    answers = await asyncio.gather(
        *(world.scanned(LI, slot, device=f"gate-{number}") for number in range(8))
    )
    assert sorted(len(answer.other_scans) for answer in answers) == list(range(8))


async def test_a_look_without_a_door_is_no_scan(world: DoorWorld) -> None:
    """A ticket that is only verified is in nobody's way at the doors."""
    before = await rows(world.service, "SELECT count(*) FROM tickets.scan")
    answer = await world.scanner.call(door.VerifyTicketRequest(proof=world.proofs[ZHANG]))
    assert (answer.place, list(answer.other_scans)) == (door.DOOR_PLACE_UNSPECIFIED, [])
    assert await rows(world.service, "SELECT count(*) FROM tickets.scan") == before


async def test_a_stream_that_was_cut_is_sent_again(world: DoorWorld) -> None:
    """Each message says what was new in it; sent twice, nothing is counted twice."""
    slot = world.slot()
    messages = [
        pb.UploadScansRequest(scans=[offline(world.proofs[p], slot, device=d) for p in (ZHANG, LI)])
        for d in ("a", "b")
    ]
    assert [answer.accepted for answer in await world.stream(messages)] == [2, 2]
    again = await world.stream([*messages, messages[0]])
    assert [(answer.accepted, answer.known) for answer in again] == [(0, 2)] * 3
    kept = await rows(world.service, "SELECT uploaded FROM tickets.scan WHERE slot = $1", slot)
    assert [row["uploaded"] for row in kept] == [True] * 4


async def test_a_message_without_scans_ends_the_stream(world: DoorWorld) -> None:
    """What breaks the contract is refused; what was answered before is kept."""
    slot = world.slot()
    good = pb.UploadScansRequest(scans=[offline(world.proofs[ZHANG], slot)])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.stream([good, pb.UploadScansRequest()])
    assert reason_of(caught.value) == "INVALID_REQUEST"
    note(method_of(pb.UploadScansRequest.DESCRIPTOR), "INVALID_REQUEST")
    kept = await rows(world.service, "SELECT scan_id FROM tickets.scan WHERE slot = $1", slot)
    assert len(kept) == 1


async def test_a_scanner_cannot_make_up_a_ticket(world: DoorWorld) -> None:
    """Texts without our signature are named and not kept, nor is another scan with a known id."""
    slot, taken = world.slot(), new_id()
    proof = world.proofs[ZHANG]
    forged = proof[:60] + ("A" if proof[60] != "A" else "B") + proof[61:]
    await world.upload(offline(proof, slot, scan_id=taken))
    answer = await world.upload(
        offline(forged, slot),
        offline("ZK1:", slot),
        offline(world.proofs[LI], slot, scan_id=taken),
        offline(proof, slot, device="gate-9"),
    )
    assert answer.accepted == 1
    assert sorted(each.reason for each in answer.rejected) == [
        "BAD_SIGNATURE",
        "MALFORMED",
        "SCAN_ID_REUSED",
    ]
    kept = await rows(world.service, "SELECT scan_id FROM tickets.scan WHERE slot = $1", slot)
    assert len(kept) == 2


async def test_a_ticket_that_was_never_issued_here_is_not_kept(world: DoorWorld) -> None:
    """A good signature for a version the database does not have, as after a restore."""
    scan = Scan(UUID(int=7), "22.1", 1, ticket_number(ZHANG), 99, SITE, ROOM, "d", MORNING)
    async with open_database(world.service.config.database, PACKAGE) as db, db.transaction() as tx:
        assert await ScanStore(tx).insert([scan], MORNING, uploaded=True) == set()


async def test_who_was_seen_twice_is_listed_with_the_reason(world: DoorWorld) -> None:
    """Two doors or versions, long after at one door, a revoked one; no second look at once."""
    slot = world.slot()
    await world.upload(
        offline(world.proofs[ZHANG], slot),
        offline(world.proofs[ZHANG], slot, room="002", after=MINUTE),
        offline(world.proofs[LI], slot),
        offline(world.proofs[LI], slot, after=SAME_DOOR_WITHIN),
        offline(world.proofs[WANG], slot),
        offline(world.proofs[WANG], slot, after=SAME_DOOR_WITHIN + MINUTE),
    )
    listed = (await world.duplicates(slot)).duplicates
    assert [(each.ticket_number, list(each.reasons)) for each in listed] == [
        (ticket_number(ZHANG), [OTHER_PLACE]),
        (ticket_number(WANG), [LATER]),
    ]
    assert [scan.room for scan in listed[0].scans] == ["001", "002"]
    assert (listed[0].county_code, listed[0].scan_count) == (COUNTY, 2)
    lost = offices.ReissueTicketRequest(
        request_id=new_id(),
        session_code="22.1",
        ticket_number=ticket_number(LI),
        reason=types.TICKET_REASON_LOST,
        note="遗失",
    )
    await world.service.move_to(MORNING)
    await officer(world.service).call(lost)
    await world.service.move_to(NOW)
    old = door.VerifyTicketRequest(proof=world.proofs[LI], scan=at_door(slot, after=MINUTE))
    refused = await world.scanner.refused(old)
    assert refused.metadata["proof_reason"] == "REVOKED"
    new = await printed(world.service, LI)
    await world.upload(offline(new, slot, after=MINUTE))
    reasons = {e.ticket_number: list(e.reasons) for e in (await world.duplicates(slot)).duplicates}
    assert reasons[ticket_number(LI)] == [OTHER_VERSION, REVOKED]
    alone = world.slot()
    await world.upload(offline(world.proofs[LI], alone, after=MINUTE))
    (listed_alone,) = (await world.duplicates(alone)).duplicates
    assert (listed_alone.scan_count, list(listed_alone.reasons)) == (1, [REVOKED])


async def test_who_comes_through_the_gate_goes_on_to_a_room(world: DoorWorld) -> None:
    """Each is a door with its own ten minutes; two gates, or two rooms behind one, are too many."""
    slot, later = world.slot(), SAME_DOOR_WITHIN + MINUTE
    await world.upload(
        offline(world.proofs[ZHANG], slot, room=""),
        offline(world.proofs[ZHANG], slot, after=later),
        offline(world.proofs[LI], slot, room=""),
        offline(world.proofs[LI], slot, site_code="B", room="", after=MINUTE),
        offline(world.proofs[WANG], slot, room=""),
        offline(world.proofs[WANG], slot, after=MINUTE),
        offline(world.proofs[WANG], slot, room="002", after=2 * MINUTE),
        offline(world.proofs[WANG], slot, room="", after=later),
    )
    listed = (await world.duplicates(slot)).duplicates
    found = {each.ticket_number: set(each.reasons) - {REVOKED} for each in listed}
    assert {number: reasons for number, reasons in found.items() if reasons} == {
        ticket_number(LI): {OTHER_PLACE},
        ticket_number(WANG): {OTHER_PLACE, LATER},
    }


async def test_the_list_comes_page_by_page(world: DoorWorld) -> None:
    """By slot and number; a token that is none, an unknown session and another county's officer."""
    first, second = world.slot(), world.slot()
    await world.upload(
        *(
            offline(world.proofs[person], slot, room=room)
            for person in (ZHANG, LI)
            for slot in (first, second)
            for room in ("001", "002")
        )
    )
    found: list[tuple[int, str]] = []
    token = f"{first - 1}-999999999999"
    while token:
        page = await world.duplicates(page_size=1, page_token=token)
        found += [(each.slot, each.ticket_number) for each in page.duplicates]
        token = page.next_page_token
    numbers = [ticket_number(ZHANG), ticket_number(LI)]
    assert found[:4] == [(slot, number) for slot in (first, second) for number in numbers]

    def listing(**fields: Any) -> pb.ListDuplicateScansRequest:
        values = {"session_code": "22.1", "county_prefix": COUNTY, **fields}
        return pb.ListDuplicateScansRequest(**values)

    desk = officer(world.service)
    assert (await desk.refused(listing(page_token="x"))).reason == "INVALID_REQUEST"
    assert (await desk.refused(listing(session_code="22.9"))).reason == "SESSION_UNKNOWN"
    assert (await desk.refused(listing(county_prefix="5102"))).reason == "OUT_OF_SCOPE"


def expected(scans: Sequence[Scan]) -> dict[str, set[DuplicateReason]]:
    """What somebody with paper and pencil would list, by ticket number."""
    found: dict[str, set[DuplicateReason]] = {}
    for number in {scan.ticket_number for scan in scans}:
        mine = [scan for scan in scans if scan.ticket_number == number]
        sites = {scan.site_code for scan in mine}
        rooms = {scan.room_code for scan in mine} - {GATE}
        times: dict[tuple[str, str], list[datetime]] = {}
        for scan in mine:
            times.setdefault((scan.site_code, scan.room_code), []).append(scan.scanned_at)
        reasons = {
            DuplicateReason.OTHER_PLACE: len(sites) > 1 or len(rooms) > 1,
            DuplicateReason.OTHER_VERSION: len({s.version for s in mine}) > 1,
            DuplicateReason.LATER: any(
                max(here) - min(here) > SAME_DOOR_WITHIN for here in times.values()
            ),
        }
        if any(reasons.values()):
            found[number] = {reason for reason, holds in reasons.items() if holds}
    return found


def some_scans(draw: random.Random, slot: int) -> list[Scan]:
    """Scans of two tickets at few doors within half an hour."""
    return [
        Scan(
            scan_id=UUID(int=draw.getrandbits(128)),
            session_code="22.1",
            slot=slot,
            ticket_number=ticket_number(draw.choice((ZHANG, WANG))),
            version=1,
            site_code=draw.choice("AAAB"),
            room_code=draw.choice((GATE, "001", "001", "002")),
            device=draw.choice(("a", "b")),
            scanned_at=MORNING + MINUTE * draw.randrange(30),
        )
        for _ in range(draw.randrange(1, 12))
    ]


@pytest.mark.parametrize("seed", range(6))
async def test_the_order_of_uploads_does_not_matter(world: DoorWorld, seed: int) -> None:
    """However scanners cut, order and repeat what they bring, the same people are listed.

    And they are those whom one would list by hand.
    """
    draw = random.Random(seed)
    one, other = world.slot(), world.slot()
    scans = some_scans(draw, one)
    twins = [s._replace(slot=other, scan_id=UUID(int=draw.getrandbits(128))) for s in scans]
    async with open_database(world.service.config.database, PACKAGE) as db:

        async def bring(some: Sequence[Scan]) -> None:
            async with db.transaction() as tx:
                await ScanStore(tx).insert(some, MORNING, uploaded=True)

        async def listed(slot: int) -> list[DuplicateScan]:
            async with db.read() as tx:
                wanted = DuplicateFilter("22.1", COUNTY, slot)
                return await ScanStore(tx).duplicates(wanted, (0, ""), 100)

        await bring(scans)
        shuffled = [*twins, *draw.sample(twins, len(twins) // 2)]
        draw.shuffle(shuffled)
        while shuffled:
            cut = draw.randrange(1, 5)
            await bring(shuffled[:cut])
            shuffled = shuffled[cut:]
        found = await listed(one)
        assert [_without_slot(each) for each in await listed(other)] == [
            _without_slot(each) for each in found
        ]
        assert {each.ticket_number: set(each.reasons) for each in found} == expected(scans)


def _without_slot(found: DuplicateScan) -> tuple[Any, ...]:
    shown = sorted(found.scans, key=lambda scan: (scan.scanned_at, *map(str, scan)))
    return found.ticket_number, tuple(found.reasons), found.scan_count, shown


async def test_scans_are_never_changed(world: DoorWorld) -> None:
    """Whoever was seen where stays on record."""
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await rows(world.service, "DELETE FROM tickets.scan")


async def test_a_scan_without_a_name_is_refused(world: DoorWorld) -> None:
    """It could not be passed over when it comes again: the stream ends, and says so."""
    nameless = pb.UploadScansRequest(scans=[pb.OfflineScan(proof=world.proofs[ZHANG])])
    assert (await world.scanner.refused(nameless)).reason == "INVALID_REQUEST"
