"""Tickets from published seats to paper and back at the door, on a real database."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pypdfium2
import pytest
from support.clocks import FixedClock
from support.service_databases import MakeDatabase
from support.tickets_database import (
    COUNTY,
    DOCUMENT_NUMBER,
    KEYS,
    MINUTE,
    OFFICER,
    SESSION,
    apply,
    arranged,
    bring_photo,
    enroll,
    number_of,
    publish,
    sql,
    tickets_database,
)
from support.tickets_glyphs import glyph_png
from zikao_kit.db import Database, Transaction
from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets.commands.acknowledge_notice import acknowledge_notice
from zikao_tickets.commands.open_signer import open_signer
from zikao_tickets.commands.print_ticket import (
    find_ticket,
    print_ticket,
    record_prints,
    require_printed,
)
from zikao_tickets.commands.rotate_proof_key import retire_proof_key, rotate_proof_key
from zikao_tickets.commands.verify_ticket import verify_ticket
from zikao_tickets.domain.person import Bearer, Person, proof_key_context
from zikao_tickets.domain.projections import CandidateState
from zikao_tickets.domain.ticket import PrintedTickets, Ticket
from zikao_tickets.proof import TicketProof, key_id_of
from zikao_tickets.rendering import RenderPool
from zikao_tickets.signing import ProofSigner
from zikao_tickets.stores.feeds import FeedStore
from zikao_tickets.stores.proof_keys import ProofKeyStore
from zikao_tickets.stores.scans import ScanStore
from zikao_tickets.stores.sessions import SessionStore
from zikao_tickets.stores.tickets import TicketStore
from zikao_tickets.stores.versions import VersionStore

OPEN = SESSION.printing_opens_at
ZHANG, NOBODY_DRAWS, WITHOUT_PHOTO, BROKEN_PHOTO = (UUID(int=number) for number in range(1, 5))
NAMES = {
    ZHANG: "张𬭎",
    NOBODY_DRAWS: "李\U000f0001",
    WITHOUT_PHOTO: "王五",
    BROKEN_PHOTO: "赵六",
}
JPEG = portrait_jpeg(1, "男")
SCANNER = Actor(subject="scanner", role="service", caller="scanner")
PHOTOS = {ZHANG: JPEG, NOBODY_DRAWS: JPEG, WITHOUT_PHOTO: JPEG, BROKEN_PHOTO: JPEG[:-9]}


@pytest.fixture(scope="module")
def pool() -> Iterator[RenderPool]:
    """One rendering process."""
    pool = RenderPool(1)
    yield pool
    pool.close()


@pytest.fixture
async def db(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """A county of four candidates with published seats."""
    async with tickets_database(make_database) as database:
        await apply(database)
        for person, name in NAMES.items():
            await enroll(database, person, name=name, jpeg=PHOTOS[person])
            if person != WITHOUT_PHOTO:
                await bring_photo(database, person, PHOTOS[person])
        await publish(database, await arranged(database))
        yield database


async def signer_of(db: Database) -> ProofSigner:
    """The keys of the proof, as a process loads them."""
    async with db.transaction() as tx:
        return await open_signer(ProofKeyStore(tx, KEYS), FixedClock(OPEN))


async def acknowledge(db: Database, person: UUID, version: int = 1) -> None:
    """Say that the notice has been read."""
    async with db.transaction() as tx:
        await acknowledge_notice(TicketStore(tx, KEYS), SESSION, person, version, OPEN)


async def find(db: Database, person: UUID, now: datetime = OPEN) -> Ticket:
    """The ticket a candidate may print."""
    async with db.read() as tx:
        return await find_ticket(TicketStore(tx, KEYS), SESSION, person, now)


async def printed(db: Database, pool: RenderPool, person: UUID) -> PrintedTickets:
    """What a candidate who has read the notice gets."""
    await acknowledge(db, person)
    ticket = await find(db, person)
    result = await print_ticket(pool, await signer_of(db), SESSION, ticket)
    async with db.transaction() as tx:
        await record_prints(
            TicketStore(tx, KEYS), SESSION.code, result, actor=str(person), now=OPEN
        )
    return result


async def verified(db: Database, proof: str, actor: Actor = SCANNER) -> tuple[TicketProof, Bearer]:
    """What is said at the door, to a scanner by default."""
    signer = await signer_of(db)
    async with db.transaction() as tx:
        verification = await verify_ticket(
            TicketStore(tx, KEYS),
            SessionStore(tx),
            ScanStore(tx),
            signer,
            proof,
            actor=actor,
            now=OPEN,
        )
    return verification.require_accepted()


async def verifications(db: Database) -> list[tuple[str | None, int | None, str, str]]:
    """Ticket number, version, verdict and who asked, of every scan."""
    rows = await sql(
        db,
        "SELECT ticket_number, version, verdict, verified_by FROM tickets.verification"
        " ORDER BY verification_id",
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


async def unprintable(db: Database) -> list[tuple[str, str]]:
    """Reason and characters of what the office has to look after."""
    rows = await sql(db, "SELECT reason, detail FROM tickets.unprintable ORDER BY 1")
    return [(row[0], row[1]) for row in rows]


async def test_a_printed_ticket_verifies(db: Database, pool: RenderPool) -> None:
    """One page, whose proof names the seat, and at the door the name and the photo."""
    result = await printed(db, pool, ZHANG)
    ticket = require_printed(result)
    assert len(pypdfium2.PdfDocument(result.pdf)) == 1
    proof, bearer = await verified(db, ticket.proof or "")
    assert (proof.ticket_number, proof.sittings[0].room) == (number_of(ZHANG), "001")
    assert (bearer.person.name, bearer.jpeg) == (NAMES[ZHANG], JPEG)


async def test_printing_again_gives_the_same_ticket(db: Database, pool: RenderPool) -> None:
    """A lost ticket is printed again, byte for byte, and both prints are logged."""
    first, again = (await printed(db, pool, ZHANG), await printed(db, pool, ZHANG))
    assert first.pdf == again.pdf
    rows = await sql(db, "SELECT candidate_id, version, printed_by FROM tickets.print_log")
    assert [tuple(row) for row in rows] == [(ZHANG, 1, str(ZHANG))] * 2


async def test_the_window_and_the_notice_come_first(db: Database) -> None:
    """No ticket before the window, after its end, or without the current notice."""
    for moment in (OPEN - MINUTE, SESSION.printing_closes_at):
        with pytest.raises(DomainError, match="PRINTING_CLOSED"):
            await find(db, ZHANG, moment)
    with pytest.raises(DomainError, match="NOTICE_NOT_ACKNOWLEDGED"):
        await find(db, ZHANG)
    with pytest.raises(DomainError, match="NOTICE_OUTDATED"):
        await acknowledge(db, ZHANG, version=2)


async def test_what_cannot_be_printed_is_said_and_listed(db: Database, pool: RenderPool) -> None:
    """Undrawable name, broken photo, photo not yet here: each refused, and listed until it can."""
    for person, reason, metadata in (
        (NOBODY_DRAWS, "NAME_NOT_PRINTABLE", {"characters": "\U000f0001"}),
        (WITHOUT_PHOTO, "PHOTO_PENDING", {}),
        (BROKEN_PHOTO, "PHOTO_UNUSABLE", {}),
    ):
        with pytest.raises(DomainError) as caught:
            require_printed(await printed(db, pool, person))
        assert (caught.value.reason, caught.value.metadata) == (reason, metadata)
    undrawable = ("NAME_NOT_PRINTABLE", "\U000f0001")
    broken = ("PHOTO_UNUSABLE", "")
    assert await unprintable(db) == [undrawable, ("PHOTO_PENDING", ""), broken]
    await bring_photo(db, WITHOUT_PHOTO, JPEG)
    require_printed(await printed(db, pool, WITHOUT_PHOTO))
    assert await unprintable(db) == [undrawable, broken]


async def test_a_revoked_or_forged_ticket_is_refused(db: Database, pool: RenderPool) -> None:
    """A proof whose version was revoked, or whose text was changed, opens no door."""
    proof = require_printed(await printed(db, pool, ZHANG)).proof or ""
    with pytest.raises(DomainError, match="MALFORMED"):
        await verified(db, "ZK1:")
    await sql(db, "UPDATE tickets.ticket SET revoked_at = $1", OPEN)
    with pytest.raises(DomainError, match="REVOKED"):
        await verified(db, proof)
    async with db.read() as tx:
        assert (number_of(ZHANG), 1) in await ProofKeyStore(tx, KEYS).revoked("22.1")


async def test_an_officer_verifies_tickets_in_scope(db: Database, pool: RenderPool) -> None:
    """County, city and province see the bearer of the county's ticket; a neighbour does not."""
    proof = require_printed(await printed(db, pool, ZHANG)).proof or ""
    for scope in (COUNTY, "5101", "51"):
        _, bearer = await verified(db, proof, OFFICER._replace(scope=scope))
        assert bearer.person.name == NAMES[ZHANG]
    for scope in ("510105", "5102", ""):
        with pytest.raises(DomainError, match="OUT_OF_SCOPE"):
            await verified(db, proof, OFFICER._replace(scope=scope))


async def test_every_verification_is_kept(db: Database, pool: RenderPool) -> None:
    """Accepted, out of scope, revoked and no proof at all: each has a row that nothing changes."""
    proof = require_printed(await printed(db, pool, ZHANG)).proof or ""
    await verified(db, proof)
    with pytest.raises(DomainError, match="OUT_OF_SCOPE"):
        await verified(db, proof, OFFICER._replace(scope="510105"))
    await sql(db, "UPDATE tickets.ticket SET revoked_at = $1", OPEN)
    for text in (proof, "ZK1:"):
        with pytest.raises(DomainError, match="PROOF_REJECTED"):
            await verified(db, text)
    assert await verifications(db) == [
        (number_of(ZHANG), 1, "ACCEPTED", "scanner"),
        (number_of(ZHANG), 1, "OUT_OF_SCOPE", "officer"),
        (number_of(ZHANG), 1, "REVOKED", "scanner"),
        (None, None, "MALFORMED", "scanner"),
    ]
    for change in ("DELETE FROM tickets.verification", "DELETE FROM tickets.print_log"):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await sql(db, change)


async def test_a_later_change_of_name_or_photo_leaves_the_printed_ticket(
    db: Database, pool: RenderPool
) -> None:
    """What was printed once is printed again, and passes the door, with the same name and photo."""
    first = await printed(db, pool, ZHANG)
    photo = portrait_jpeg(2, "男")
    changed = CandidateState(
        ZHANG,
        number_of(ZHANG),
        hashlib.sha256(photo).digest(),
        Person("张三", "男", DOCUMENT_NUMBER),
    )
    async with db.transaction() as tx:
        await FeedStore(tx, KEYS).save_candidates([changed])
    await bring_photo(db, ZHANG, photo)
    assert (await printed(db, pool, ZHANG)).pdf == first.pdf
    _, bearer = await verified(db, require_printed(first).proof or "")
    assert (bearer.person.name, bearer.jpeg) == (NAMES[ZHANG], JPEG)


async def drawn(db: Database, pool: RenderPool) -> PrintedTickets:
    """A candidate's page that nobody knows of yet."""
    await acknowledge(db, ZHANG)
    return await print_ticket(pool, await signer_of(db), SESSION, await find(db, ZHANG))


async def record(tx: Transaction, result: PrintedTickets) -> None:
    """Note that the candidate gets the page."""
    await record_prints(TicketStore(tx, KEYS), SESSION.code, result, actor=str(ZHANG), now=OPEN)


async def not_recorded(db: Database, result: PrintedTickets) -> None:
    """The page is drawn again, and nothing of it is kept."""
    before = await sql(db, "SELECT * FROM tickets.print_log")
    with pytest.raises(DomainError, match="UNAVAILABLE"):
        async with db.transaction() as tx:
            await record(tx, result)
    assert await sql(db, "SELECT * FROM tickets.print_log") == before


async def test_a_version_revoked_while_its_page_is_drawn_is_handed_to_nobody(
    db: Database, pool: RenderPool
) -> None:
    """The candidate tries again, and gets what counts then."""
    result = await drawn(db, pool)
    await sql(db, "UPDATE tickets.ticket SET revoked_at = $1", OPEN)
    await not_recorded(db, result)


@pytest.mark.parametrize("name", ["张三", NAMES[ZHANG]])
async def test_of_two_first_prints_one_counts(db: Database, pool: RenderPool, name: str) -> None:
    """Drawn before a change of the name, or of the photo, and recorded after: drawn again."""
    early = await drawn(db, pool)
    photo = JPEG if name != NAMES[ZHANG] else portrait_jpeg(2, "男")
    await enroll(db, ZHANG, name=name, jpeg=photo)
    await bring_photo(db, ZHANG, photo)
    later = await printed(db, pool, ZHANG)
    assert later.pdf != early.pdf
    await not_recorded(db, early)
    assert (await printed(db, pool, ZHANG)).pdf == later.pdf


async def test_of_two_pictures_the_first_print_has_one(db: Database, pool: RenderPool) -> None:
    """Drawn before another picture of a character came, recorded after: drawn again.

    A print of a process of before, which notes no pictures, takes those of now.
    """
    await acknowledge(db, NOBODY_DRAWS)

    async def drawn_with(side: int) -> PrintedTickets:
        await sql(
            db,
            "INSERT INTO tickets.supplied_glyph VALUES ($1, $2, '', '', now())"
            " ON CONFLICT (character) DO UPDATE SET png = $2",
            "\U000f0001",
            glyph_png(side),
        )
        ticket = await find(db, NOBODY_DRAWS)
        return await print_ticket(pool, await signer_of(db), SESSION, ticket)

    early = await drawn_with(64)
    later = await drawn_with(96)
    async with db.transaction() as tx:
        await record(tx, later)
    await not_recorded(db, early)
    assert (await drawn_with(64)).pdf == later.pdf != early.pdf
    await sql(db, "UPDATE tickets.ticket SET glyphs = NULL")
    again = await drawn_with(64)
    assert again.pdf != later.pdf
    async with db.transaction() as tx:
        await record(tx, again)


async def test_nothing_is_handed_out_with_a_key_that_was_retired_meanwhile(
    db: Database, pool: RenderPool
) -> None:
    """A page drawn before the retirement is drawn again, with a key that counts."""
    result = await drawn(db, pool)
    assert await retire_key(db, result) == 0
    await not_recorded(db, result)
    again = await printed(db, pool, ZHANG)
    assert key_of(again) != key_of(result)


async def test_who_retires_a_key_waits_for_prints_with_it(db: Database, pool: RenderPool) -> None:
    """A print that is being recorded is among the tickets to be printed again."""
    result = await drawn(db, pool)
    async with db.transaction() as tx:
        await record(tx, result)
        retiring = asyncio.ensure_future(retire_key(db, result))
        await asyncio.sleep(0.3)
    assert await retiring == 1
    assert (await find(db, ZHANG)).version == 2


async def test_prints_of_a_version_before_count_for_their_key(
    db: Database, pool: RenderPool
) -> None:
    """What a process of before has printed, without noting the key, is printed again as well."""
    result = await printed(db, pool, ZHANG)
    await sql(db, "UPDATE tickets.ticket SET proof_key_id = NULL")
    assert await retire_key(db, result) == 1


async def test_a_key_of_a_version_before_signs_at_once(db: Database) -> None:
    """A process of before, which knows no time from which keys sign, can still make its first."""
    await sql(db, "DELETE FROM tickets.proof_key")
    await sql(
        db,
        "INSERT INTO tickets.proof_key (key_id, private_key_enc, public_key, created_at)"
        " VALUES ('202203-1', $1, '', now())",
        KEYS.encrypt(bytes(32), proof_key_context("202203-1")),
    )
    async with db.read() as tx:
        (key,) = await ProofKeyStore(tx, KEYS).list_all()
    assert key.signs_from <= datetime.now(UTC)


def key_of(result: PrintedTickets) -> str:
    """The key that has signed the ticket."""
    return key_id_of(require_printed(result).proof or "")


async def retire_key(db: Database, result: PrintedTickets) -> int:
    """Replace and retire the key of a ticket; how many tickets it had signed."""
    async with db.transaction() as tx:
        store = ProofKeyStore(tx, KEYS)
        await rotate_proof_key(store, timedelta(), OPEN)
        versions = VersionStore(tx)
        return await retire_proof_key(store, versions, key_of(result), OPEN, reissue=True)
