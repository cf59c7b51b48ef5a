"""What an act works with: the clients, the clock, the players, and a voice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyotp
from zikao.enrollment.v1 import types_pb2 as enrollment_types
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import staff_service_pb2_grpc as staff_grpc
from zikao.registration.v1 import types_pb2 as registration_types
from zikao.sandbox.v1 import sandbox_service_pb2_grpc as sandbox_grpc
from zikao_client import Endpoints, ZikaoClient, bearer, patiently
from zikao_kit.clock import OffsetClock, write_offset

from zikao_ctl.demo.people import Person
from zikao_ctl.installation import OPERATOR, Installation, open_operator_channel
from zikao_ctl.session_model import SessionFile

PLAYERS_AT_ONCE = 16
PROGRESS_SECONDS = 2.0
POLL_SECONDS = 0.1
# Every process has seen a moved clock (zikao_kit.clock.OFFSET_RECHECK_SECONDS).
CLOCK_SECONDS = 0.1
# What is asked for next may take so long.
TOKEN_MARGIN = timedelta(minutes=2)
PORTAL, SCANNER = "portal", "scanner"

Say = Callable[[str], None]
# Told how far an act is: its name, how many are done, of how many.
OnProgress = Callable[[str, int, int], None]


class StoryBroken(Exception):  # noqa: N818 - it is what happened
    """The system did something else than the story expects; the text says what."""


@dataclass
class Player:
    """A person, and what the system has given them so far."""

    person: Person
    candidate_id: str = ""
    token: str = ""
    ticket_number: str = ""
    order: enrollment_types.Order | None = None
    proof: str = ""

    @property
    def enrolled_in(self) -> str:
        """The county in which the person is enrolled; empty when not."""
        if self.order is None or self.order.state != enrollment_types.ORDER_STATE_CONFIRMED:
            return ""
        return self.order.county_code

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Of a call in the person's name."""
        return bearer(self.token)


@dataclass
class Officer:
    """Who reviews in a county; the authenticator is here, as theirs is on a phone."""

    login_name: str
    password: str
    authenticator: pyotp.TOTP
    tokens: registration_types.LoginTokens

    def has_token_at(self, now: datetime) -> bool:
        """Whether the access token lasts for what comes next."""
        return now < self.tokens.expires_at.ToDatetime(now.tzinfo) - TOKEN_MARGIN


@dataclass
class Stage:
    """One rehearsal on one installation."""

    installation: Installation
    session: SessionFile
    zikao: ZikaoClient
    scanner: ZikaoClient
    staff: staff_grpc.StaffServiceAsyncStub
    sandbox: sandbox_grpc.SandboxServiceAsyncStub
    players: Sequence[Player]
    say: Say
    on_progress: OnProgress
    counts: dict[str, int] = field(default_factory=dict)
    # By county, once they have been hired.
    officers: dict[str, Officer] = field(default_factory=dict)

    def now(self) -> datetime:
        """The rehearsal's time."""
        return OffsetClock(self.installation.clock_file).now()

    async def move_to(self, moment: datetime) -> None:
        """Move the clocks of all processes to `moment`, and wait until they have seen it."""
        await move_clock(self.installation.clock_file, moment)
        local = moment.astimezone(ZoneInfo(self.session.time_zone))
        self.say(f"── the clock says {local:%Y-%m-%d %H:%M:%S} ──")

    async def each(
        self, act: str, players: Sequence[Player], play: Callable[[Player], Awaitable[object]]
    ) -> None:
        """Have all players play, some at once; an error of one ends it all."""
        turns, done, began = asyncio.Semaphore(PLAYERS_AT_ONCE), 0, time.monotonic()
        told = began

        async def one(player: Player) -> None:
            nonlocal done, told
            async with turns:
                await play(player)
            done += 1
            self.on_progress(act, done, len(players))
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                self.say(f"{act}: {done} of {len(players)}")

        try:
            async with asyncio.TaskGroup() as group:
                for player in players:
                    group.create_task(one(player))
        except ExceptionGroup as several:  # the others failed for the same reason, mostly
            raise several.exceptions[0] from None
        seconds = time.monotonic() - began
        self.say(f"{act}: {done} people in {seconds:.1f} s")

    async def log_in(self, player: Player) -> None:
        """Get a token that lasts for the next act; the clock has moved since the last."""
        number, password = player.person.document_number, player.person.password
        player.token = (await self.log_in_as(number, password)).tokens.access_token

    async def log_in_as(self, login_name: str, password: str) -> accounts.LogInResponse:
        """A token for anybody."""
        request = accounts.LogInRequest(login_name=login_name, password=password)
        return await patiently(lambda: self.zikao.accounts.LogIn(request))

    def count(self, what: str, by: int = 1) -> None:
        """Add to what the summary counts."""
        self.counts[what] = self.counts.get(what, 0) + by

    async def until(self, what: str, check: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Look again and again until `check` says yes; StoryBroken after `seconds`."""
        end = time.monotonic() + seconds
        while not await check():
            if time.monotonic() > end:
                raise StoryBroken(f"waited {seconds:.0f} s in vain until {what}")
            await asyncio.sleep(POLL_SECONDS)


async def move_clock(clock_file: Path, moment: datetime) -> None:
    """Move the clocks of all processes that go by the file, and wait until they have seen it."""
    write_offset(clock_file, (moment - datetime.now(UTC)).total_seconds())
    await asyncio.sleep(CLOCK_SECONDS)


@asynccontextmanager
async def open_stage(
    installation: Installation,
    session: SessionFile,
    people: Sequence[Person],
    say: Say,
    on_progress: OnProgress,
) -> AsyncIterator[Stage]:
    """Connect as portal, scanner and operator."""
    targets = installation.targets
    endpoints = Endpoints(targets.registration, targets.enrollment, targets.tickets)
    operator = installation.certificate(OPERATOR)
    async with (
        ZikaoClient(endpoints, installation.certificate(PORTAL)) as zikao,
        ZikaoClient(endpoints, installation.certificate(SCANNER)) as scanner,
        open_operator_channel(targets.registration, operator) as staff,
        open_operator_channel(targets.payment, operator) as platform,
    ):
        yield Stage(
            installation=installation,
            session=session,
            zikao=zikao,
            scanner=scanner,
            staff=staff_grpc.StaffServiceStub(staff),
            sandbox=sandbox_grpc.SandboxServiceStub(platform),
            players=[Player(person) for person in people],
            say=say,
            on_progress=on_progress,
        )
