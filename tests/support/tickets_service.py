"""The tickets service as its callers meet it: over mutual TLS, with tokens, on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.certificates import channel_credentials
from support.service import (
    TIMEOUT_SECONDS,
    Caller,
    free_port,
    move_clock,
    new_id,
    until,
    until_serving,
)
from support.tickets_database import CLOSED, SESSION, SITE
from support.tickets_peers import COUNTY, Peers, running_peers
from zikao.tickets.v1 import (
    arrangement_operation_service_pb2_grpc,
    arrangement_service_pb2_grpc,
    office_service_pb2,
    office_service_pb2_grpc,
    session_service_pb2,
    session_service_pb2_grpc,
    ticket_service_pb2_grpc,
    verification_service_pb2_grpc,
)
from zikao.tickets.v1 import (
    arrangement_service_pb2 as arrangement,
)
from zikao_client.client import MAX_MESSAGE_BYTES
from zikao_kit.channel import open_channel
from zikao_kit.clock import OffsetClock
from zikao_kit.config import ClockConfig, DatabaseConfig, ServerConfig
from zikao_kit.crypto import KeyRing
from zikao_kit.error_table import reason_of
from zikao_kit.tls import DevelopmentCa
from zikao_kit.tokens import TokenIssuer
from zikao_tickets.config import TicketsConfig
from zikao_tickets.converts.sessions import session_to_pb
from zikao_tickets.converts.sites import site_to_pb
from zikao_tickets.domain.session import Session, Site
from zikao_tickets.main import serve_tickets

TOKEN_KEY_ID = "t1"
TOKEN_KEY = Ed25519PrivateKey.generate()
OFFICER = UUID(int=9001)
SECOND_OFFICER = UUID(int=9002)
TOKEN_LIFETIME = timedelta(hours=1)
Serve = Callable[[TicketsConfig], Coroutine[Any, Any, None]]


@dataclass
class Installation:
    """A running service, its peers, and what one needs to call it."""

    config: TicketsConfig
    ca: DevelopmentCa
    peers: Peers
    clock_file: Path
    port: int
    task: asyncio.Task[None]
    channels: AsyncExitStack = field(default_factory=AsyncExitStack)

    @cached_property
    def sessions(self) -> Any:
        """SessionService as the operator calls it."""
        return session_service_pb2_grpc.SessionServiceStub(self.channel("operator"))

    @cached_property
    def arrangements(self) -> Any:
        """ArrangementService as a portal calls it."""
        return arrangement_service_pb2_grpc.ArrangementServiceStub(self.channel("portal"))

    @cached_property
    def offices(self) -> Any:
        """OfficeService as a portal calls it."""
        return office_service_pb2_grpc.OfficeServiceStub(self.channel("portal"))

    @cached_property
    def operations(self) -> Any:
        """ArrangementOperationService as a portal calls it."""
        channel = self.channel("portal")
        return arrangement_operation_service_pb2_grpc.ArrangementOperationServiceStub(channel)

    @cached_property
    def tickets(self) -> Any:
        """TicketService as a portal calls it."""
        return ticket_service_pb2_grpc.TicketServiceStub(self.channel("portal"))

    @cached_property
    def verification(self) -> Any:
        """VerificationService as a scanner calls it."""
        return verification_service_pb2_grpc.VerificationServiceStub(self.channel("scanner"))

    def channel(self, name: str) -> grpc.aio.Channel:
        """A channel of the peer `name`, closed with the installation."""
        channel = open_channel(
            f"127.0.0.1:{self.port}",
            self.ca.issue(name),
            server_name="tickets",
            max_message_bytes=MAX_MESSAGE_BYTES,
        )
        self.channels.push_async_callback(channel.close, None)
        return channel

    def credentials(self, name: str) -> grpc.ChannelCredentials:
        """The certificate of the peer `name`, for a channel without our defaults."""
        return channel_credentials(self.ca.issue(name))

    def candidate(self, candidate_id: UUID) -> dict[str, Any]:
        """Options of a call by a candidate."""
        return self._calling(candidate_id, "candidate")

    def officer(self, county: str = COUNTY) -> dict[str, Any]:
        """Options of a call by an officer of a county."""
        return self._calling(OFFICER, "county_officer", county)

    def calling(self, subject: UUID, role: str, scope: str = "") -> Caller:
        """Somebody with a token, through a portal."""
        return Caller(self.channel("portal"), self.token(subject, role, scope))

    def token(self, subject: UUID, role: str, scope: str = "", login_id: str = "") -> str:
        """An access token."""
        clock = OffsetClock(self.clock_file)
        issuer = TokenIssuer(TOKEN_KEY_ID, TOKEN_KEY, clock, TOKEN_LIFETIME)
        return issuer.issue(str(subject), role, scope, login_id=login_id).token

    def _calling(self, subject: UUID, role: str, scope: str = "") -> dict[str, Any]:
        bearer = ("authorization", f"Bearer {self.token(subject, role, scope)}")
        return {"metadata": (bearer,), "timeout": TIMEOUT_SECONDS}

    async def move_to(self, moment: datetime) -> None:
        """Move the clock of the rules."""
        await move_clock(self.clock_file, moment)

    async def stop(self) -> None:
        """End the service as SIGTERM does."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    async def apply(self, session: Session = SESSION, *sites: Site, dry_run: bool = False) -> Any:
        """Apply a session as the operator; what changed."""
        request = session_service_pb2.ApplySessionRequest(
            request_id=new_id(), session=session_message(session, *sites), dry_run=dry_run
        )
        answer = await self.sessions.ApplySession(request, timeout=TIMEOUT_SECONDS)
        return list(answer.changes)

    async def apply_settings(self, session: Session) -> Any:
        """Apply a session whose file has no sites, as the operator; what changed."""
        request = session_service_pb2.ApplySessionRequest(
            request_id=new_id(), session=session_to_pb(session)
        )
        answer = await self.sessions.ApplySession(request, timeout=TIMEOUT_SECONDS)
        return list(answer.changes)

    async def start(self) -> Any:
        """Start the county's arrangement as its officer."""
        request = arrangement.StartArrangementRequest(
            request_id=new_id(), session_code="22.1", county_code=COUNTY
        )
        answer = await self.arrangements.StartArrangement(request, **self.officer())
        return answer.arrangement

    async def arrangement(self, arrangement_id: str) -> Any:
        """An arrangement as the county's officer sees it."""
        request = arrangement.GetArrangementRequest(arrangement_id=arrangement_id)
        return (await self.arrangements.GetArrangement(request, **self.officer())).arrangement

    async def until_done(self, arrangement_id: str) -> Any:
        """The arrangement, once it is done."""

        async def done() -> Any:
            found = await self.arrangement(arrangement_id)
            return found if found.state == arrangement.ARRANGEMENT_STATE_DONE else None

        return await until(done)

    async def arranged(self) -> Any:
        """Arrange the county as its officer, until it is done."""
        return await self.until_done((await self.start()).arrangement_id)

    async def publish(self, arrangement_id: str) -> Any:
        """Publish as the county's officer; with dual control a second one confirms it."""
        request = arrangement.PublishArrangementRequest(
            request_id=new_id(), arrangement_id=arrangement_id
        )
        answer = await self.arrangements.PublishArrangement(request, **self.officer())
        if answer.action.state == office_service_pb2.OFFICE_ACTION_STATE_PENDING:
            decision = office_service_pb2.DecideOfficeActionRequest(
                request_id=new_id(),
                action_id=answer.action.action_id,
                decision=office_service_pb2.OFFICE_DECISION_CONFIRM,
            )
            second = self._calling(SECOND_OFFICER, "county_officer", COUNTY)
            await self.offices.DecideOfficeAction(decision, **second)
        return await self.arrangement(arrangement_id)

    async def arrive(self) -> None:
        """Wait until both feeds and all photos that the peers have are here."""
        said = len(self.peers.candidates), len(self.peers.enrollments)
        connection = await asyncpg.connect(self.config.database.dsn)

        async def here() -> bool:
            rows = await connection.fetch("SELECT cursor FROM tickets.feed_cursor ORDER BY source")
            photos = await connection.fetchval("SELECT count(*) FROM tickets.photo")
            cursors = [int(row["cursor"] or 0) for row in rows]
            return cursors == [said[1], said[0]] and photos == len(self.peers.photos)

        try:
            await until(here)
        finally:
            await connection.close()

    async def published_county(self) -> Any:
        """Everyone who is enrolled has a published seat; the arrangement."""
        await self.apply()
        await self.move_to(CLOSED)
        await self.arrive()
        return await self.publish((await self.arranged()).arrangement_id)


async def reason(call: Awaitable[Any]) -> str | None:
    """The reason for which a call is refused; None when it is not."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return reason_of(error)
    return None


def session_message(session: Session, *sites: Site) -> session_service_pb2.TicketsSession:
    """The message of a session, with the usual site when none is given."""
    message = session_to_pb(session)
    message.sites.extend(map(site_to_pb, sites or (SITE,)))
    return message


@asynccontextmanager
async def tickets_installation(
    directory: Path, dsn: str, **settings: Any
) -> AsyncIterator[Installation]:
    """Peers and a service on an empty database; `settings` change its TicketsConfig."""
    ca, peers = DevelopmentCa(directory / "ca"), Peers()
    KeyRing.generate().write(directory / "keys.yaml")
    connection = await asyncpg.connect(dsn)
    public = TOKEN_KEY.public_key().public_bytes_raw()
    peers.signing_keys[TOKEN_KEY_ID] = public
    await connection.execute(
        "INSERT INTO tickets.trusted_key VALUES ($1, $2)", TOKEN_KEY_ID, public
    )
    await connection.close()
    async with (
        running_peers(ca, peers),
        running_service(directory, dsn, ca, peers, **settings) as it,
    ):
        yield it


@asynccontextmanager
async def running_service(
    directory: Path,
    dsn: str,
    ca: DevelopmentCa,
    peers: Peers,
    *,
    serve: Serve = serve_tickets,
    server_limits: Any = None,
    **settings: Any,
) -> AsyncIterator[Installation]:
    """One process's worth of the service, from SERVING to drained: a task, or what `serve` does.

    `server_limits` are settings of its server, `settings` its own.
    """
    tls, port = ca.issue("tickets"), free_port()
    options: dict[str, Any] = {"poll_seconds": 0.05}
    config = TicketsConfig(
        server=ServerConfig(
            f"127.0.0.1:{port}",
            tls,
            drain_wait_seconds=0.0,
            drain_grace_seconds=1.0,
            **server_limits or {},
        ),
        database=DatabaseConfig(dsn=dsn),
        key_ring_file=directory / "keys.yaml",
        registration=peers.registration,
        enrollment=peers.enrollment,
        clock=ClockConfig(directory / "clock.json"),
        **options | settings,
    )
    task = asyncio.create_task(serve(config))
    installation = Installation(config, ca, peers, directory / "clock.json", port, task)
    try:
        await until_serving(installation.channel("portal"), task)
        async with installation.channels:
            yield installation
    finally:
        await installation.stop()
