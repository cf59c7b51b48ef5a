"""The programs of examples/clients, run as they are, against an installation of their own.

Its enrollment asks the example of a payment platform instead of the sandbox's, so all its money
goes through that one.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import asyncpg
import grpc
import pytest
import pytest_asyncio
from support.service import free_port, new_id, until
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.payment.v1 import payment_platform_service_pb2 as payment
from zikao.payment.v1 import payment_platform_service_pb2_grpc as payment_grpc
from zikao_client import CallFailed, Login
from zikao_ctl.apply_session import apply_session
from zikao_ctl.demo.arranging import arrange_county
from zikao_ctl.demo.command import DEFAULT_SESSION
from zikao_ctl.demo.paying import current_order
from zikao_ctl.demo.people import make_people
from zikao_ctl.demo.printing import print_ticket, read_notice
from zikao_ctl.demo.registering import register
from zikao_ctl.demo.reviewing import review
from zikao_ctl.demo.stage import Player, Stage, open_stage
from zikao_ctl.installation import OPERATOR, run_installation
from zikao_ctl.layout import Layout
from zikao_ctl.session_file import load_session_file
from zikao_kit.channel import open_channel
from zikao_kit.error_table import reason_of
from zikao_kit.tls import DevelopmentCa

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "clients"
SESSION = load_session_file(ROOT / DEFAULT_SESSION)
OTHERS, FIRST_GROUP = 7, 4
OPENING = SESSION.calendar.enrollment["social"].opens_at
CODE = re.compile(r"with code (\S+)")
PLATFORM = "ZIKAO_ENROLLMENT__PLATFORM__TARGET"
SECONDS = 60.0


@dataclass
class Program:
    """A running example and what it has printed."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    async def read(self) -> None:
        """Keep what it prints, until it ends."""
        assert self.process.stdout
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip())

    async def says(self, text: str) -> None:
        """Wait until a line of it has this in it; fails when it ends before."""

        async def said() -> bool:
            assert self.process.returncode is None or self.has(text), "\n".join(self.lines)
            return self.has(text)

        await until(said, SECONDS)

    def has(self, text: str) -> bool:
        """Whether it has been said."""
        return any(text in line for line in self.lines)


@dataclass
class Office:
    """The installation with everybody approved, and the examples that run beside it."""

    stage: Stage
    folder: Path
    platform: str
    programs: list[Program] = field(default_factory=list)

    async def start(self, name: str, *arguments: str) -> Program:
        """Run an example."""
        targets = self.stage.installation.targets
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(EXAMPLES / name),
            f"--registration={targets.registration}",
            f"--enrollment={targets.enrollment}",
            f"--tickets={targets.tickets}",
            f"--certs={self.stage.installation.layout.certs}",
            f"--clock={self.stage.installation.clock_file}",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        program = Program(process)
        self.programs.append(program)
        asyncio.get_running_loop().create_task(program.read())
        return program

    async def run(self, name: str, *arguments: str) -> tuple[int, list[str]]:
        """Run an example to its end; its exit code and lines."""
        program = await self.start(name, *arguments)
        code = await asyncio.wait_for(program.process.wait(), SECONDS)
        await asyncio.sleep(0.1)  # its last lines
        return code, program.lines

    async def rows(self, query: str, *values: object) -> list[asyncpg.Record]:
        """Look into the databases."""
        connection = await asyncpg.connect(self.stage.installation.admin_dsn)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    @property
    def ledger(self) -> Path:
        """The payment platform's."""
        return self.folder / "ledger.sqlite"

    @property
    def roster(self) -> Path:
        """The roster reader's."""
        return self.folder / "roster.sqlite"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """Everybody is approved; enrollment has the example for its payment platform."""
    folder = tmp_path_factory.mktemp("examples")
    platform = f"127.0.0.1:{free_port()}"
    people = make_people(SESSION, OTHERS, seed=11)
    async with AsyncExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        environment.setenv(PLATFORM, platform)
        installation = await stack.enter_async_context(
            run_installation(Layout(folder / "installation"), port_base=None, say=lambda _: None)
        )
        operator = installation.certificate(OPERATOR)
        await apply_session(SESSION, installation.targets, operator, dry_run=False)
        stage = await stack.enter_async_context(
            open_stage(installation, SESSION, people, lambda _: None, lambda *_: None)
        )
        context = multiprocessing.get_context("spawn")
        hands = stack.enter_context(ProcessPoolExecutor(1, mp_context=context))
        await register(stage, hands)
        await review(stage)
        office = Office(stage, folder, platform)
        installation.certificate("payment-platform")
        try:
            yield office
        finally:
            for program in office.programs:
                if program.process.returncode is None:
                    program.process.terminate()
                    await program.process.wait()


async def enroll(office: Office, players: Sequence[Player], name: str) -> Program:
    """Run the portal for some candidates until it shows their codes."""
    file = office.folder / f"{name}.json"
    stated = [
        {
            "login": player.person.document_number,
            "password": player.person.password,
            "courses": player.person.course_codes,
            "counties": player.person.county_codes,
        }
        for player in players
    ]
    file.write_text(json.dumps(stated), encoding="utf-8")
    return await office.start("portal.py", f"--session={SESSION.code}", str(file))


async def pay(office: Office, portal: Program, *, twice: bool = False) -> None:
    """Pay what the portal shows, as banks do, and wait for the portal's end."""
    codes = [found[1] for line in portal.lines if (found := CODE.search(line))]
    paid = [*codes, *codes[:1]] if twice else codes
    code, said = await office.run("payment_platform.py", "pay", str(office.ledger), *paid)
    assert code == 0, said
    assert await asyncio.wait_for(portal.process.wait(), SECONDS) == 0, portal.lines


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def enrolled(office: Office) -> Office:
    """Two groups take seats and pay; the roster's reader is killed between them."""
    stage, players = office.stage, office.stage.players
    serving = ("serve", f"--listen={office.platform}", str(office.ledger))
    await (await office.start("payment_platform.py", *serving)).says("serving")
    await stage.move_to(OPENING - timedelta(seconds=30))
    first = await enroll(office, players[:FIRST_GROUP], "first")
    await first.says(f"{FIRST_GROUP} wait")
    await stage.move_to(OPENING)
    reader = await office.start("roster_reader.py", f"--session={SESSION.code}", str(office.roster))
    await reader.says("the roster is read")
    await until(lambda: all_shown(first, FIRST_GROUP), SECONDS)
    await pay(office, first, twice=True)
    await until(lambda: reader_knows(office, 1), SECONDS)
    reader.process.send_signal(signal.SIGKILL)
    await reader.process.wait()
    second = await enroll(office, players[FIRST_GROUP:], "second")
    await until(lambda: all_shown(second, len(players) - FIRST_GROUP), SECONDS)
    await pay(office, second)
    await office.start("roster_reader.py", f"--session={SESSION.code}", str(office.roster))
    for player in players:
        await stage.log_in(player)
        await current_order(stage, player)
    return office


async def all_shown(portal: Program, count: int) -> bool:
    """Whether everybody's code is there."""
    return sum(bool(CODE.search(line)) for line in portal.lines) == count


async def reader_knows(office: Office, count: int) -> bool:
    """Whether the roster's reader has so many at least."""
    return len(known_to_reader(office)) >= count


def known_to_reader(office: Office) -> set[tuple[str, str, frozenset[str]]]:
    """Candidate, county and courses, as the roster's reader keeps them."""
    with closing(sqlite3.connect(office.roster)) as table:
        rows = table.execute("SELECT candidate_id, county_code, courses FROM enrolled").fetchall()
    return {(candidate, county, frozenset(courses.split())) for candidate, county, courses in rows}


async def test_the_portal_brings_candidates_to_their_seats(enrolled: Office) -> None:
    """Each has one confirmed order of what was planned; the waiting room gave each a place."""
    orders = await enrolled.rows("SELECT * FROM enrollment.enrollment_order")
    by_candidate = {str(order["candidate_id"]): order for order in orders}
    assert len(by_candidate) == len(orders) == len(enrolled.stage.players)
    for player in enrolled.stage.players:
        order = by_candidate[player.candidate_id]
        assert order["state"] == "confirmed"
        assert set(order["course_codes"]) == set(player.person.course_codes)
        assert order["county_code"] in player.person.county_codes


async def test_the_platform_gives_a_second_payment_back(enrolled: Office) -> None:
    """Who paid twice has the money back, once, in the platform's ledger and in ours."""

    async def refunded() -> bool:
        rows = await enrolled.rows("SELECT state FROM enrollment.refund")
        return [row["state"] for row in rows] == ["refunded"]

    await until(refunded, SECONDS)
    (refund,) = await enrolled.rows("SELECT * FROM enrollment.refund")
    with closing(sqlite3.connect(enrolled.ledger)) as ledger:
        rows = ledger.execute("SELECT refund_id, payment_id, amount_fen FROM refund").fetchall()
        untold = ledger.execute("SELECT count(*) FROM payment WHERE NOT is_told").fetchone()[0]
    assert rows == [(str(refund["refund_id"]), refund["payment_id"], refund["amount_fen"])]
    assert untold == 0


async def test_the_platforms_statement_is_what_happened(enrolled: Office) -> None:
    """The next morning enrollment asks for the day's statement, and finds no difference."""
    await enrolled.stage.move_to(OPENING + timedelta(days=1))

    async def compared() -> bool:
        rows = await enrolled.rows(
            "SELECT 1 FROM enrollment.statement WHERE statement_date = $1 AND state = 'compared'",
            OPENING.date(),
        )
        return bool(rows)

    await until(compared, SECONDS)
    (day,) = await enrolled.rows(
        "SELECT payments, refunds, matched_payments, matched_refunds FROM enrollment.statement"
        " WHERE statement_date = $1",
        OPENING.date(),
    )
    payments = len(enrolled.stage.players) + 1
    assert tuple(day) == (payments, 1, payments, 1)
    assert await enrolled.rows("SELECT 1 FROM enrollment.difference") == []


async def test_the_platform_serves_nobody_but_enrollment(enrolled: Office) -> None:
    """A portal, with a certificate of the same installation, cannot have money given back."""
    certs = enrolled.stage.installation.layout.certs
    refused = await refund_as("portal", DevelopmentCa(certs), enrolled.platform)
    assert refused == "PERMISSION_DENIED"
    assert await refund_as("enrollment", DevelopmentCa(certs), enrolled.platform) == "NOT_FOUND"


async def test_the_reader_has_everybody_after_it_was_killed(enrolled: Office) -> None:
    """Its table is the confirmed orders: those of the roster, and those of the feed since."""
    expected = {
        (player.candidate_id, player.enrolled_in, frozenset(player.person.course_codes))
        for player in enrolled.stage.players
    }

    async def complete() -> bool:
        return known_to_reader(enrolled) == expected

    await until(complete, SECONDS)
    assert len(expected) == len(enrolled.stage.players)


async def test_a_login_outlives_its_tokens(enrolled: Office) -> None:
    """Two calls whose token has ended renew it once and go on; the login's own end is told."""
    stage, player = enrolled.stage, enrolled.stage.players[1]
    login_name, password = player.person.document_number, player.person.password
    answer = await stage.log_in_as(login_name, password)
    login, first = Login(stage.zikao.logins, answer.tokens), answer.tokens.access_token
    look = enrollment.ListOrdersRequest(session_code=SESSION.code)

    async def orders() -> int:
        found = await login.call(lambda me: stage.zikao.enrollment.ListOrders(look, metadata=me))
        return len(found.orders)

    begun = stage.now()
    await stage.move_to(begun + timedelta(hours=2, minutes=1))
    assert list(await asyncio.gather(orders(), orders())) == [1, 1]
    second = login.access_token
    assert second != first
    await login.refresh(used=first)
    assert login.access_token == second
    await stage.move_to(begun + timedelta(hours=12, minutes=1))
    with pytest.raises(CallFailed, match="LOGIN_ENDED"):
        await orders()


async def test_the_scanner_needs_a_network_only_before_and_after(enrolled: Office) -> None:
    """It lets a ticket in offline, refuses a forged one and one of another room, and uploads."""
    stage, hero = enrolled.stage, enrolled.stage.players[0]
    await stage.move_to(SESSION.calendar.enrollment["applied"].closes_at + timedelta(days=7))
    await arrange_county(stage, hero.enrolled_in)
    await stage.move_to(SESSION.calendar.printing.opens_at + timedelta(hours=1))
    await stage.log_in(hero)
    await read_notice(stage, hero)
    await print_ticket(stage, hero)
    folder = enrolled.folder / "scanner"
    folder.mkdir()
    fetched = await enrolled.run("scanner.py", "fetch", f"--session={SESSION.code}", str(folder))
    assert fetched[0] == 0, fetched
    site, room = await seat_of(enrolled, hero)
    await stage.move_to(SESSION.slots[0].starts_at + timedelta(minutes=5))
    door = ("check", "--slot=1", f"--site={site}", f"--room={room}", str(folder))
    elsewhere = ("check", "--slot=1", f"--site={site}", "--room=999", str(folder))
    forged = hero.proof[:40] + ("A" if hero.proof[40] != "A" else "B") + hero.proof[41:]
    checks = await asyncio.gather(
        enrolled.run("scanner.py", *door, hero.proof),
        enrolled.run("scanner.py", *door, forged),
        enrolled.run("scanner.py", *elsewhere, hero.proof),
    )
    assert [code for code, _ in checks] == [0, 1, 1], checks
    uploads = [await enrolled.run("scanner.py", "upload", str(folder)) for _ in range(2)]
    assert [lines[-1] for _, lines in uploads] == [
        "1 new, 0 known, 0 rejected",
        "0 new, 1 known, 0 rejected",
    ]
    (scan,) = await enrolled.rows("SELECT ticket_number, room_code, uploaded FROM tickets.scan")
    assert tuple(scan) == (hero.ticket_number, room, True)


async def seat_of(office: Office, player: Player) -> tuple[str, str]:
    """Site and room of somebody's first sitting."""
    (seat,) = await office.rows(
        "SELECT site_code, room_code FROM tickets.seat WHERE candidate_id = $1 AND slot = 1",
        player.candidate_id,
    )
    return seat["site_code"], seat["room_code"]


async def refund_as(name: str, ca: DevelopmentCa, platform: str) -> str | None:
    """Ask the platform to give money of nobody back; the reason of its refusal."""
    async with open_channel(platform, ca.issue(name), server_name="payment-platform") as channel:
        stub = payment_grpc.PaymentPlatformServiceStub(channel)
        request = payment.RefundPaymentRequest(refund_id=new_id(), payment_id="P1", amount_fen=1)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.RefundPayment(request, timeout=5)
    return reason_of(refused.value)
