"""`zikao ticket` and `zikao names` at the desk of an office, under dual control."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from support.commands import Command, Ended
from support.service import new_id, until
from support.service_databases import ServiceDatabases
from support.tickets_database import SESSION
from support.tickets_glyphs import glyph_png
from support.tickets_offices import PENDING, decision, listing, officer, rows
from support.tickets_peers import COUNTY, ticket_number
from support.tickets_service import Installation, tickets_installation
from zikao_sandbox.portraits import portrait_jpeg

pytestmark = pytest.mark.asyncio(loop_scope="module")

ZHANG, LI, RARE = (UUID(int=number) for number in range(1, 4))
CHARACTER = "\U000f0001"
SESSION_OPTION = ("--session", "22.1")
AREA = (*SESSION_OPTION, "--county", COUNTY)


@dataclass
class Desk:
    """The office's two groups of commands, in the name of one officer of the county."""

    service: Installation
    folder: Path
    token_file: Path

    async def ticket(self, *words: str | Path) -> Ended:
        """`zikao ticket`."""
        return await self._command("ticket").run(*words, token_file=self.token_file)

    async def names(self, *words: str | Path) -> Ended:
        """`zikao names`."""
        return await self._command("names").run(*words, token_file=self.token_file)

    def _command(self, group: str) -> Command:
        certs = self.service.ca.issue("operator").cert_file.parent
        return Command(group, certs, {"tickets": self.service.port})

    async def confirm_all(self) -> None:
        """Another officer confirms what waits."""
        second = officer(self.service)
        for action in (await second.call(listing(COUNTY, state=PENDING))).actions:
            await second.call(decision(action))

    async def versions(self, person: UUID) -> int:
        """How many versions a ticket has had."""
        counted = await rows(
            self.service, "SELECT count(*) FROM tickets.ticket WHERE candidate_id = $1", person
        )
        return int(counted[0]["count"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    """Three published seats under dual control; one name has a character that no font has."""
    dsn, folder = await service_databases.clone("tickets"), tmp_path_factory.mktemp("desk")
    async with tickets_installation(folder, dsn) as running:
        for person, name in ((ZHANG, "张三"), (LI, "李四"), (RARE, f"王{CHARACTER}")):
            jpeg = portrait_jpeg(person.int, "女")
            running.peers.photos[str(person)] = jpeg
            running.peers.register(person, name, jpeg)
            running.peers.enroll(person, (1, "00015"))
        await running.published_county()
        await running.apply(replace(SESSION, dual_control=True))
        token_file = folder / "token"
        token_file.write_text(running.token(UUID(new_id()), "county_officer", COUNTY))
        yield Desk(running, folder, token_file)
    await service_databases.drop(dsn)


async def test_a_lost_ticket_is_issued_anew_once(desk: Desk) -> None:
    """Dry first; then once, however often it is said, until the new version has been handed out."""
    number, page = ticket_number(ZHANG), desk.folder / "ticket.pdf"
    lost = ("reissue", number, *SESSION_OPTION, "--reason", "lost", "--note", "考生来电")
    dry = await desk.ticket(*lost, "--dry-run")
    assert dry.output == (
        f"ticket {number} is issued anew (lost): 考生来电: would be done at once\n"
    )
    assert await desk.versions(ZHANG) == 1
    done = await desk.ticket(*lost)
    assert done.output == f"ticket {number} is issued anew (lost): 考生来电: done\n"
    again = await desk.ticket(*lost)
    assert again.output == (
        "nothing changes: version 2 is in force, and nobody has printed it yet\n"
    )
    assert await desk.versions(ZHANG) == 2
    printed = await desk.ticket("print", number, *SESSION_OPTION, "--out", page)
    assert printed.output.startswith(f"{page}: version 2, ")
    assert page.stat().st_mode & 0o777 == 0o600
    assert page.read_bytes().startswith(b"%PDF-")
    await desk.ticket(*lost)
    (shown,) = (await desk.ticket("show", number, *SESSION_OPTION, "--json")).json
    assert [each["version"] for each in shown["versions"]] == [3, 2, 1]
    assert [each["print_count"] for each in shown["versions"]] == [0, 1, 0]
    table = (await desk.ticket("show", number, *SESSION_OPTION)).output
    assert "slot 1: course 00015, site A" in table


async def test_a_temporary_ticket_without_a_photo_waits_once(desk: Desk) -> None:
    """The same command again names the act that waits; when it is confirmed, nothing changes."""
    number = ticket_number(LI)
    words = ("temporary", number, *SESSION_OPTION, "--without-photo", "--note", "照片未到")
    what = f"ticket {number} is replaced by a temporary one without a photo: 照片未到"
    dry = await desk.ticket(*words, "--dry-run")
    assert dry.output == f"{what}: would wait for a second officer\n"
    proposed = await desk.ticket(*words)
    assert proposed.output.startswith(f"{what}: waits for a second officer: act ")
    assert await desk.ticket(*words) == proposed
    assert await desk.versions(LI) == 1
    await desk.confirm_all()
    assert (await desk.ticket(*words)).output.startswith("nothing changes: version 2 ")
    with_photo = (*words[:-3], "--note", "照片已到")
    done = await desk.ticket(*with_photo)
    assert done.output.endswith("with the photo: 照片已到: done\n")
    assert await desk.versions(LI) == 3


async def test_what_a_desk_cannot_do_is_said(desk: Desk) -> None:
    """A number nobody has, one that is none, and a note with a number of a person in it."""
    note = ("--reason", "damaged", "--note", "污损")
    unknown = await desk.ticket("reissue", "510104221999", *SESSION_OPTION, *note)
    assert (unknown.exit_code, "NOT_FOUND" in unknown.output) == (1, True)
    odd = await desk.ticket("reissue", "12", *SESSION_OPTION, *note)
    assert (odd.exit_code, "  - ticket_number: " in odd.output) == (1, True)
    number = ticket_number(ZHANG)
    private = ("--reason", "damaged", "--note", "电话13800138000")
    words = ("reissue", number, *SESSION_OPTION, *private, "--dry-run")
    refused = await desk.ticket(*words)
    assert (refused.exit_code, "  - note: " in refused.output) == (1, True)


async def test_a_file_without_a_token_is_said(desk: Desk, tmp_path: Path) -> None:
    """Whatever is in it, it is not sent to a service."""
    for content in (b"", b"%PDF-1.7 \xff\n", "令牌".encode()):
        (tmp_path / "token").write_bytes(content)
        other = replace(desk, token_file=tmp_path / "token")
        refused = await other.names("list", *AREA)
        assert (refused.exit_code, refused.output.endswith("token has no access token\n")) == (
            1,
            True,
        )


async def test_a_rare_name_is_listed_and_gets_its_picture(desk: Desk) -> None:
    """The list has its character by number; the picture waits once, and then the name is off it."""
    number, picture = ticket_number(RARE), desk.folder / "rare.png"
    picture.write_bytes(glyph_png())

    async def listed() -> list[str]:
        found = (await desk.names("list", *AREA, "--json")).json
        return [each["ticket_number"] for each in found]

    async def is_listed() -> bool:
        return await listed() == [number]

    await until(is_listed)
    table = (await desk.names("list", *AREA, "--reason", "name-not-printable")).output
    assert "U+F0001" in table
    assert (await desk.names("list", *AREA, "--reason", "photo-pending", "--json")).json == []
    rechecked = await desk.names("recheck", *AREA)
    assert rechecked.output == "1 names are looked at again, 0 photos have come\n"
    supply = ("supply", "U+F0001", picture, *AREA)
    what = f"{CHARACTER} U+F0001 is drawn as the picture"
    dry = await desk.names(*supply, "--dry-run")
    assert dry.output == f"{what}: would wait for a second officer\n"
    proposed = await desk.names(*supply)
    assert proposed.output.startswith(f"{what}: waits for a second officer: act ")
    assert await desk.names("supply", CHARACTER, picture, *AREA) == proposed
    await desk.confirm_all()

    async def is_off() -> bool:
        return not await listed()

    await until(is_off)
    for odd in ("U+D800", "李四", "U+110000", ""):
        assert (await desk.names("supply", odd, picture, *AREA)).exit_code == 2
    needless = await desk.names("supply", "李", picture, *AREA)
    assert (needless.exit_code, "GLYPH_NOT_NEEDED" in needless.output) == (1, True)


async def test_the_second_officer_gets_the_picture(desk: Desk) -> None:
    """`zikao office list --pictures` writes what is to be confirmed, as it would be drawn."""
    picture, other = desk.folder / "rare.png", desk.folder / "pictures"
    picture.write_bytes(glyph_png(side=32))
    await desk.names("supply", "U+F0001", picture, *AREA)
    certs = desk.service.ca.issue("operator").cert_file.parent
    command = Command("office", certs, {"tickets": desk.service.port})
    words = ("list", "--county", COUNTY, "--of", "tickets", "--pictures", other, "--json")
    (found,) = (await command.run(*words, token_file=desk.token_file)).json
    assert (other / f"{found['action_id']}.png").read_bytes() == picture.read_bytes()
