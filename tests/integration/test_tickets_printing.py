"""Tickets from published seats to paper and back at the door, on a real database."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from uuid import UUID

import pypdfium2
import pytest
from support.postgres import Cluster
from support.tickets_database import (
    CLOSED,
    COUNTY,
    OFFICER,
    SESSION,
    SITE,
    NamedQueries,
    everything_has_come,
    tickets_database,
)
from zikao_kit.crypto import KeyRing
from zikao_kit.errors import DomainError
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets.commands.acknowledge_notice import acknowledge_notice
from zikao_tickets.commands.apply_session import apply_session
from zikao_tickets.commands.open_signer import open_signer
from zikao_tickets.commands.print_county import next_tickets
from zikao_tickets.commands.print_ticket import (
    find_ticket,
    print_tickets,
    record_prints,
    require_printed,
)
from zikao_tickets.commands.publish_arrangement import publish_arrangement
from zikao_tickets.commands.run_arrangement import run_arrangement
from zikao_tickets.commands.start_arrangement import start_arrangement
from zikao_tickets.commands.verify_ticket import verify_ticket
from zikao_tickets.domain.person import Person, personal_context, photo_context
from zikao_tickets.domain.projections import CandidateState, Photo
from zikao_tickets.domain.ticket import PrintedTickets
from zikao_tickets.feed_store import FeedStore
from zikao_tickets.parts import ENROLLMENTS
from zikao_tickets.rendering import RenderPool
from zikao_tickets.store import ArrangementStore, SessionStore
from zikao_tickets.ticket_store import TicketStore

KEYS = KeyRing.generate()
OPEN = SESSION.printing_opens_at
MINUTE = timedelta(minutes=1)
ZHANG, NOBODY_DRAWS, WITHOUT_PHOTO = (UUID(int=number) for number in (1, 2, 3))
NAMES = {ZHANG: "张𬭎", NOBODY_DRAWS: "李\U000f0001", WITHOUT_PHOTO: "王五"}
JPEG = portrait_jpeg(1, "男")


@pytest.fixture(scope="module")
def pool() -> Iterator[RenderPool]:
    """One rendering process."""
    pool = RenderPool(1)
    yield pool
    pool.close()


@pytest.fixture
async def sql(cluster: Cluster) -> AsyncIterator[NamedQueries]:
    """A county of three candidates with published seats."""
    async with tickets_database(cluster) as queries:
        await apply_session(SessionStore(queries), SESSION, [SITE], dry_run=False, now=CLOSED)
        for candidate_id in NAMES:
            await enroll(queries, candidate_id)
        await publish(queries)
        yield queries


@pytest.fixture
def store(sql: NamedQueries) -> TicketStore:
    """The ticket store of that county."""
    return TicketStore(sql, KEYS)


async def enroll(sql: NamedQueries, candidate_id: UUID) -> None:
    """What the feeds and the photo fetch bring for one candidate."""
    person = Person(NAMES[candidate_id], "男", "513101198201130014").to_bytes()
    personal = KEYS.encrypt(person, personal_context(candidate_id))
    digest = hashlib.sha256(JPEG).digest()
    number = f"0104221{candidate_id.int:05}"
    await sql.execute("save_candidates", [candidate_id], [number], [COUNTY], [personal], [digest])
    await sql.execute("insert_sittings", ["22.1"], [candidate_id], [1], [COUNTY], ["00015"])
    if candidate_id != WITHOUT_PHOTO:
        photo = KEYS.encrypt(JPEG, photo_context(candidate_id))
        await sql.execute("save_photos", [candidate_id], [digest], [photo], CLOSED)


async def publish(sql: NamedQueries) -> None:
    """Arrange the county and publish it."""
    store = ArrangementStore(sql)
    plan = await start_arrangement(store, SESSION, COUNTY, keys=KEYS, actor="o", now=CLOSED)
    await everything_has_come(sql)
    await store.lease(ENROLLMENTS, MINUTE)
    await run_arrangement(store, plan.arrangement_id, KEYS)
    await publish_arrangement(store, plan.arrangement_id, actor=OFFICER, now=CLOSED)


async def printed(store: TicketStore, pool: RenderPool, candidate_id: UUID) -> PrintedTickets:
    """What a candidate who has read the notice gets."""
    await acknowledge_notice(store, SESSION, candidate_id, 1, OPEN)
    ticket = await find_ticket(store, SESSION, candidate_id, OPEN)
    result = await print_tickets(pool, await open_signer(store, OPEN), SESSION, [ticket])
    await record_prints(store, "22.1", result, actor=str(candidate_id), now=OPEN)
    return result


async def test_a_printed_ticket_verifies(store: TicketStore, pool: RenderPool) -> None:
    """One page, whose proof names the seat, and at the door the name and the photo."""
    result = await printed(store, pool, ZHANG)
    ticket = require_printed(result)
    assert len(pypdfium2.PdfDocument(result.pdf)) == 1
    proof, bearer = await verify_ticket(store, await open_signer(store, OPEN), ticket.proof or "")
    assert (proof.ticket_number, proof.sittings[0].room) == ("010422100001", "001")
    assert (bearer.person.name, bearer.jpeg) == (NAMES[ZHANG], JPEG)


async def test_printing_again_gives_the_same_ticket(store: TicketStore, pool: RenderPool) -> None:
    """A lost ticket is printed again, byte for byte, and both prints are logged."""
    first, again = (await printed(store, pool, ZHANG), await printed(store, pool, ZHANG))
    assert first.pdf == again.pdf


async def test_the_window_and_the_notice_come_first(store: TicketStore) -> None:
    """No ticket before the window, after its end, or without the current notice."""
    for moment in (OPEN - MINUTE, SESSION.printing_closes_at):
        with pytest.raises(DomainError, match="PRINTING_CLOSED"):
            await find_ticket(store, SESSION, ZHANG, moment)
    with pytest.raises(DomainError, match="NOTICE_NOT_ACKNOWLEDGED"):
        await find_ticket(store, SESSION, ZHANG, OPEN)
    with pytest.raises(DomainError, match="NOTICE_OUTDATED"):
        await acknowledge_notice(store, SESSION, ZHANG, 2, OPEN)


async def test_what_cannot_be_printed_is_said_and_listed(
    sql: NamedQueries, store: TicketStore, pool: RenderPool
) -> None:
    """A name no font draws and a photo not yet here are refused, and listed until it can be."""
    for candidate_id, reason in (
        (NOBODY_DRAWS, "NAME_NOT_PRINTABLE"),
        (WITHOUT_PHOTO, "PHOTO_PENDING"),
    ):
        with pytest.raises(DomainError, match=reason):
            require_printed(await printed(store, pool, candidate_id))
    rows = await sql.connection.fetch("SELECT reason FROM tickets.unprintable ORDER BY 1")
    assert [row[0] for row in rows] == ["NAME_NOT_PRINTABLE", "PHOTO_PENDING"]
    photo = Photo(hashlib.sha256(JPEG).digest(), JPEG)
    await FeedStore(sql, KEYS).save_photos({WITHOUT_PHOTO: photo}, OPEN)
    require_printed(await printed(store, pool, WITHOUT_PHOTO))
    rows = await sql.connection.fetch("SELECT reason FROM tickets.unprintable")
    assert [row[0] for row in rows] == ["NAME_NOT_PRINTABLE"]


async def test_a_county_is_printed_without_the_unprintable(
    store: TicketStore, pool: RenderPool
) -> None:
    """The county's document has the printable tickets; a reader goes on after a number."""
    tickets = await next_tickets(store, "22.1", COUNTY, "")
    result = await print_tickets(pool, await open_signer(store, OPEN), SESSION, tickets)
    assert [ticket.candidate_id for ticket in result.tickets] == [ZHANG]
    assert len(result.refused) == 2
    assert not await next_tickets(store, "22.1", COUNTY, tickets[-1].ticket_number)
    with pytest.raises(DomainError, match="TICKET_UNAVAILABLE"):
        await next_tickets(store, "22.1", "510105", "")


async def test_a_revoked_or_forged_ticket_is_refused(
    sql: NamedQueries, store: TicketStore, pool: RenderPool
) -> None:
    """A proof whose version was revoked, or whose text was changed, opens no door."""
    proof = require_printed(await printed(store, pool, ZHANG)).proof or ""
    signer = await open_signer(store, OPEN)
    with pytest.raises(DomainError, match="MALFORMED"):
        await verify_ticket(store, signer, "ZK1:")
    await sql.connection.execute("UPDATE tickets.ticket SET revoked_at = $1", OPEN)
    with pytest.raises(DomainError, match="REVOKED"):
        await verify_ticket(store, signer, proof)
    assert ("010422100001", 1) in await store.revoked("22.1")


async def test_a_later_change_of_name_or_photo_leaves_the_printed_ticket(
    sql: NamedQueries, store: TicketStore, pool: RenderPool
) -> None:
    """What was printed once is printed again, and passes the door, with the same name and photo."""
    first = await printed(store, pool, ZHANG)
    feed = FeedStore(sql, KEYS)
    photo = portrait_jpeg(2, "男")
    digest = hashlib.sha256(photo).digest()
    other = Person("张三", "男", "513101198201130014")
    await feed.save_candidates([CandidateState(ZHANG, "010422100001", COUNTY, digest, other)])
    await feed.save_photos({ZHANG: Photo(digest, photo)}, OPEN)
    assert (await printed(store, pool, ZHANG)).pdf == first.pdf
    proof = require_printed(first).proof or ""
    _, bearer = await verify_ticket(store, await open_signer(store, OPEN), proof)
    assert (bearer.person.name, bearer.jpeg) == (NAMES[ZHANG], JPEG)
