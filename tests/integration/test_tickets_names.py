"""Names that no font draws: found before anybody prints, and printed in the end."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase, ServiceDatabases
from support.tickets_database import SESSION
from support.tickets_glyphs import glyph_png
from support.tickets_offices import DONE, PENDING, audited, decision, officer, rows
from support.tickets_peers import COUNTY, ticket_number
from support.tickets_service import Installation, running_service, tickets_installation
from zikao.tickets.v1 import office_ticket_service_pb2 as offices
from zikao.tickets.v1 import unprintable_service_pb2 as pb
from zikao_kit.crypto import KeyRing
from zikao_kit.migrate import open_database
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets.commands.check_names import note_names
from zikao_tickets.domain.glyphs import Pictures, glyph_id
from zikao_tickets.names import PACKAGE
from zikao_tickets.stores.glyphs import GlyphStore

pytestmark = pytest.mark.asyncio(loop_scope="module")

ZHANG, RARE, RARER, BOTH, WITHOUT_PHOTO = (UUID(int=number) for number in range(1, 6))
CHARACTER, OTHER, NOBODYS = "\U000f0001", "\U000f0002", "\U000f0003"
NAMES = {
    ZHANG: "张𬭎",
    RARE: f"李{CHARACTER}",
    RARER: f"王{OTHER}",
    BOTH: f"赵{CHARACTER}{OTHER}",
    WITHOUT_PHOTO: "钱七",
}
NAME, PHOTO = (
    pb.UNPRINTABLE_REASON_NAME_NOT_PRINTABLE,
    pb.UNPRINTABLE_REASON_PHOTO_PENDING,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """Five published seats under dual control: three names have characters no font has."""
    dsn = await service_databases.clone("tickets")
    directory = tmp_path_factory.mktemp("names")
    async with tickets_installation(directory, dsn, photo_again_seconds=0.2) as running:
        await publish(running)
        yield running
    await service_databases.drop(dsn)


async def publish(service: Installation) -> None:
    """Enroll the five and publish their seats, confirmed by a second officer."""
    for person, name in NAMES.items():
        jpeg = portrait_jpeg(person.int, "女")
        if person != WITHOUT_PHOTO:
            service.peers.photos[str(person)] = jpeg
        service.peers.register(person, name, jpeg)
        service.peers.enroll(person, (1, "00015"))
    await service.published_county()
    await service.apply(replace(SESSION, dual_control=True))


def listing(**fields: Any) -> pb.ListUnprintableRequest:
    """The office's list."""
    values = {"session_code": "22.1", "county_prefix": COUNTY, **fields}
    return pb.ListUnprintableRequest(**values)


def supplying(character: str = CHARACTER, png: bytes = b"", **fields: Any) -> Any:
    """A picture of a character."""
    values = {
        "request_id": new_id(),
        "session_code": "22.1",
        "county_prefix": COUNTY,
        "character": character,
        "png": png or glyph_png(),
        **fields,
    }
    return pb.SupplyGlyphRequest(**values)


def rechecking(**fields: Any) -> pb.RecheckUnprintableRequest:
    """Look again."""
    values = {"request_id": new_id(), "session_code": "22.1", "county_prefix": COUNTY, **fields}
    return pb.RecheckUnprintableRequest(**values)


def printing(person: UUID) -> offices.PrintForCandidateRequest:
    """The candidate's ticket at the office's printer."""
    return offices.PrintForCandidateRequest(
        request_id=new_id(), session_code="22.1", ticket_number=ticket_number(person)
    )


async def listed(desk: Caller, **fields: Any) -> dict[str, str]:
    """Characters by ticket number."""
    entries = (await desk.call(listing(**fields))).entries
    return {entry.ticket_number: entry.characters for entry in entries}


async def listed_at_last(desk: Caller, expected: dict[UUID, str]) -> None:
    """Wait until the names on the list are these."""
    wanted = {ticket_number(person): characters for person, characters in expected.items()}

    async def as_expected() -> bool:
        return await listed(desk, reason=NAME) == wanted

    await until(as_expected)


async def test_offices_hear_of_rare_names_before_anybody_prints(service: Installation) -> None:
    """Published, not printed: the list has the three names with the characters that are lacking."""
    desk = officer(service)
    await listed_at_last(desk, {RARE: CHARACTER, RARER: OTHER, BOTH: CHARACTER + OTHER})
    prints = await rows(service, "SELECT count(*) FROM tickets.print_log")
    assert prints[0]["count"] == 0
    first = await desk.call(listing(page_size=2))
    assert [entry.reason for entry in first.entries] == [NAME, NAME]
    assert [entry.county_code for entry in first.entries] == [COUNTY, COUNTY]
    rest = await desk.call(listing(page_size=2, page_token=first.next_page_token))
    assert [entry.ticket_number for entry in rest.entries] == [ticket_number(BOTH)]
    assert rest.next_page_token == ""
    assert (await officer(service, "510105").refused(listing())).reason == "OUT_OF_SCOPE"
    assert (await desk.refused(listing(session_code="22.9"))).reason == "SESSION_UNKNOWN"
    assert (await desk.refused(listing(page_token="x"))).reason == "INVALID_REQUEST"


async def test_a_picture_waits_for_a_second_officer_and_is_printed(service: Installation) -> None:
    """Who is to confirm sees it; then the name leaves the list and its ticket can be printed.

    A name that lacks another character stays, with that one.
    """
    desk, second = officer(service), officer(service, "5101")
    assert (await desk.refused(printing(RARE))).reason == "NAME_NOT_PRINTABLE"
    request = supplying()
    action = (await desk.call(request)).action
    assert (action.state, action.act.supply_glyph.png) == (PENDING, request.png)
    assert (await desk.refused(printing(RARE))).reason == "NAME_NOT_PRINTABLE"
    confirmed = (await second.call(decision(action))).action
    assert confirmed.state == DONE
    await listed_at_last(desk, {RARER: OTHER, BOTH: OTHER})
    paper = await desk.call(printing(RARE))
    assert paper.pdf[:5] == b"%PDF-"
    assert (await desk.refused(printing(BOTH))).reason == "NAME_NOT_PRINTABLE"
    entries = await audited(service, action="confirm_supply_glyph")
    assert '"character": "U+F0001"' in entries[-1].after_json
    assert entries[-1].before_json == '{"character": "U+F0001", "png_sha256": ""}'
    assert (await desk.call(request)).action == action
    request.character = OTHER
    assert (await desk.refused(request)).reason == "REQUEST_ID_REUSED"


async def test_only_what_is_needed_and_can_be_drawn_is_taken(service: Installation) -> None:
    """A picture of a character that fonts have would be on everybody's ticket."""
    desk = officer(service)
    refused = await desk.refused(supplying("张"))
    assert (refused.reason, refused.metadata["character"]) == ("GLYPH_NOT_NEEDED", "张")
    bomb = glyph_png()[:16] + b"\x7f\xff\xff\xff" * 2 + glyph_png()[24:]
    for png in (b"no picture at all", glyph_png(1024), glyph_png(64, width=80), white(), bomb):
        assert (await desk.refused(supplying(OTHER, png))).reason == "GLYPH_UNUSABLE"
    assert (await desk.refused(supplying("两个"))).reason == "INVALID_REQUEST"
    assert (await desk.refused(supplying(OTHER, session_code="22.9"))).reason == "SESSION_UNKNOWN"
    neighbour = officer(service, "510105")
    assert (await neighbour.refused(supplying(OTHER))).reason == "OUT_OF_SCOPE"


def white() -> bytes:
    """A picture of nothing."""
    return glyph_png(black=False)


async def test_an_officer_has_a_hundred_pictures_waiting(service: Installation) -> None:
    """As with every act that waits for a second officer, one more is refused."""
    first_id = new_id()
    desk = officer(service, COUNTY, first_id)
    await desk.call(supplying(OTHER))
    await rows(
        service,
        "INSERT INTO tickets.office_action (action_id, session_code, county_prefix, act, state,"
        " proposed_by, proposed_at, expires_at) SELECT gen_random_uuid(), session_code,"
        " county_prefix, act, state, proposed_by, proposed_at, expires_at"
        " FROM tickets.office_action, generate_series(1, 99) WHERE proposed_by = $1",
        first_id,
    )
    assert (await desk.refused(supplying(OTHER))).reason == "TOO_MANY_PENDING_ACTIONS"


async def test_a_photo_that_has_come_is_off_the_list(service: Installation) -> None:
    """Whoever tried too early is listed as PHOTO_PENDING, until the office looks again."""
    desk = officer(service)
    assert (await desk.refused(printing(WITHOUT_PHOTO))).reason == "PHOTO_PENDING"
    assert set(await listed(desk, reason=PHOTO)) == {ticket_number(WITHOUT_PHOTO)}
    assert (await desk.call(rechecking())).photos == 0
    service.peers.photos[str(WITHOUT_PHOTO)] = portrait_jpeg(WITHOUT_PHOTO.int, "女")
    await service.arrive()
    request = rechecking()
    answer = await desk.call(request)
    assert answer.photos == 1
    assert await desk.call(request) == answer
    request.county_prefix = "5101"
    assert (await desk.refused(request)).reason == "OUT_OF_SCOPE"
    request.county_prefix, request.session_code = COUNTY, "22.2"
    assert (await desk.refused(request)).reason == "REQUEST_ID_REUSED"
    assert (await desk.refused(rechecking(session_code="22.9"))).reason == "SESSION_UNKNOWN"
    assert (await officer(service, "510105").refused(rechecking())).reason == "OUT_OF_SCOPE"
    assert await listed(desk, reason=PHOTO) == {}
    await listed_at_last(desk, {RARER: OTHER, BOTH: OTHER})


async def test_a_picture_that_comes_while_names_are_listed_is_not_missed(
    service: Installation,
) -> None:
    """Looked at without the picture, listed with it: whoever lists asks again what there is."""
    desk, second = officer(service), officer(service, "5101")
    action = (await desk.call(supplying(OTHER))).action
    async with open_database(service.config.database, PACKAGE) as db:
        keys = service_keys(service)
        await rows(service, "UPDATE tickets.ticket SET name_checked_at = NULL")
        async with db.read() as tx:
            tickets = await GlyphStore(tx, keys).unchecked(10)
        await second.call(decision(action))
        async with db.transaction() as tx:
            missing = [OTHER if OTHER in ticket.name else "" for ticket in tickets]
            moment = SESSION.printing_opens_at
            await note_names(GlyphStore(tx, keys), Pictures(), tickets, missing, moment)
    await listed_at_last(desk, {})
    assert (await desk.call(printing(BOTH))).version == 1


async def test_what_was_printed_keeps_its_picture(service: Installation) -> None:
    """Another picture is on what is printed first from then on; printing again gives the same."""
    desk, second = officer(service), officer(service, "5101")
    before = [(await desk.call(printing(person))).pdf for person in (RARE, BOTH)]
    for character in (CHARACTER, OTHER):
        action = (await desk.call(supplying(character, glyph_png(96)))).action
        await second.call(decision(action))
    assert [(await desk.call(printing(person))).pdf for person in (RARE, BOTH)] == before
    await desk.call(printing(RARER))
    drawn = "SELECT glyphs FROM tickets.ticket WHERE candidate_id = $1"
    assert (await rows(service, drawn, RARER))[0]["glyphs"] == glyph_id(OTHER, glyph_png(96))
    assert len((await rows(service, drawn, BOTH))[0]["glyphs"]) == 64


async def test_an_office_draws_what_its_own_list_lacks(service: Installation) -> None:
    """Pictures are on everybody's tickets: none is supplied that no candidate needs."""
    neighbour = officer(service, "510105")
    for desk, character, prefix in (
        (neighbour, CHARACTER, "510105"),
        (officer(service), NOBODYS, COUNTY),
        (officer(service, "51"), NOBODYS, "51"),
    ):
        refused = await desk.refused(supplying(character, county_prefix=prefix))
        assert (refused.reason, refused.metadata["character"]) == ("GLYPH_NOT_WANTED", character)
    above = await officer(service, "51").call(supplying(county_prefix="51"))
    assert above.action.state == PENDING


async def test_another_session_is_no_way_around_the_second_officer(service: Installation) -> None:
    """Pictures are of all sessions: where one has dual control, none is supplied by one officer.

    And there are only so many of them, of characters that somebody still waits for.
    """
    await service.apply(replace(SESSION, code="22.2"))
    await rows(
        service,
        "INSERT INTO tickets.ticket (session_code, candidate_id, version, county_code,"
        " arrangement_id, ticket_number, serial, issued_at, name_checked_at)"
        " SELECT '22.2', candidate_id, 1, county_code, arrangement_id, ticket_number,"
        " serial || '-2', issued_at, issued_at FROM tickets.ticket WHERE candidate_id = $1",
        RARE,
    )
    await rows(
        service,
        "INSERT INTO tickets.unprintable SELECT '22.2', candidate_id, ticket_number,"
        " 'NAME_NOT_PRINTABLE', $2, issued_at FROM tickets.ticket"
        " WHERE candidate_id = $1 AND session_code = '22.2'",
        RARE,
        NOBODYS,
    )
    desk, request = officer(service), supplying(NOBODYS, session_code="22.2")
    action = (await desk.call(request)).action
    assert action.state == PENDING
    await rows(
        service,
        "INSERT INTO tickets.supplied_glyph SELECT chr(983040 + 4096 + n), '', '', '', now()"
        " FROM generate_series(1, 2000 - 2) AS n",
    )
    request.request_id = new_id()
    for asked in (request, decision(action)):
        refused = await officer(service).refused(asked)
        assert (refused.reason, refused.metadata["limit"]) == ("TOO_MANY_GLYPHS", "2000")
    await rows(service, "DELETE FROM tickets.supplied_glyph WHERE png = ''")
    await rows(service, "DELETE FROM tickets.unprintable WHERE session_code = '22.2'")
    assert (await officer(service).refused(decision(action))).reason == "GLYPH_NOT_WANTED"


async def test_pictures_are_read_when_they_are_others(service: Installation) -> None:
    """Every process asks each second: a replaced picture is seen, and thousands are not reread."""

    class Counted(Pictures):
        times = 0

        def renew(self, by_character: Mapping[str, bytes], state: str) -> None:
            self.times += 1
            super().renew(by_character, state)

    pictures = Counted()
    async with open_database(service.config.database, PACKAGE) as db:

        async def renewed() -> int:
            async with db.read() as tx:
                await GlyphStore(tx, service_keys(service)).renew(pictures)
            return pictures.times

        assert [await renewed(), await renewed()] == [1, 1]
        await rows(service, "UPDATE tickets.supplied_glyph SET png_sha256 = '' WHERE png <> ''")
        assert [await renewed(), await renewed()] == [2, 2]


def service_keys(service: Installation) -> KeyRing:
    """The keys of personal data, as the service has them."""
    return KeyRing.from_file(service.config.key_ring_file)


async def test_a_new_font_draws_the_names_on_the_next_start(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """A font in a configured directory takes the name off the list by itself, and is printed."""
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    dsn = await make_database("tickets")
    async with tickets_installation(tmp_path, dsn) as first:
        await publish(first)
        await listed_at_last(
            officer(first), {RARE: CHARACTER, RARER: OTHER, BOTH: CHARACTER + OTHER}
        )
        await first.stop()
        write_font(fonts / "rare.ttf", CHARACTER)
        async with running_service(
            tmp_path, dsn, first.ca, first.peers, font_directories=(fonts,)
        ) as second:
            desk = officer(second)
            await listed_at_last(desk, {RARER: OTHER, BOTH: OTHER})
            assert (await desk.call(printing(RARE))).pdf[:5] == b"%PDF-"


def write_font(path: Path, character: str) -> None:
    """A font of one character, a square."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((900, 0), (900, 800), (100, 800)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "rare"])
    builder.setupCharacterMap({ord(character): "rare"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "rare": square})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "rare": (1000, 100)})
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    names = {"familyName": "Rare", "styleName": "Regular", "fullName": "Rare", "psName": "Rare"}
    builder.setupNameTable(names)
    builder.setupOS2(sTypoAscender=880, sTypoDescender=-120)
    builder.setupPost()
    builder.save(path)
