"""Several processes of enrollment over one database, and a crowd of candidates before them.

Registration is away, and the payment platform unless one is named: a rush needs neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.bench import service_process
from support.certificates import channel_credentials
from support.clocks import FixedClock
from support.service import Caller, free_port, move_clock
from zikao_enrollment.commands.apply_session import apply_session
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.stores.sessions import SessionStore
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.queries import Queries
from zikao_kit.tls import DevelopmentCa
from zikao_kit.tokens import TokenIssuer

_KEY_ID = "test-key"
_LIFETIME = timedelta(hours=2)
# A channel carries 1,000 calls at a time; portals have several.
_OPTIONS = [("grpc.use_local_subchannel_pool", 1)]


@dataclass
class Replicas:
    """Processes that serve, and the tokens that they take."""

    dsn: str
    ca: DevelopmentCa
    issuer: TokenIssuer
    stack: AsyncExitStack
    ports: Sequence[int]
    clock_file: Path
    _tokens: dict[UUID, str] = field(default_factory=dict)

    async def connect(self, name: str = "portal") -> list[Caller]:
        """A caller of each process, on a connection of its own."""
        credentials = channel_credentials(self.ca.issue(name))
        return [
            Caller(
                await self.stack.enter_async_context(
                    grpc.aio.secure_channel(f"localhost:{port}", credentials, _OPTIONS)
                )
            )
            for port in self.ports
        ]

    def token(self, number: int) -> str:
        """What candidate `number` shows."""
        return self.token_of(UUID(int=number))

    def token_of(self, candidate_id: UUID) -> str:
        """What a candidate shows, made once: all tabs have the same."""
        if candidate_id not in self._tokens:
            token = self.issuer.issue(str(candidate_id), "candidate").token
            self._tokens[candidate_id] = token
        return self._tokens[candidate_id]

    async def move_clock(self, at: datetime) -> None:
        """Move all clocks and wait until it has been seen."""
        await move_clock(self.clock_file, at)


@asynccontextmanager
async def replicas(
    dsn: str,
    folder: Path,
    session: Session,
    now: datetime,
    *,
    count: int = 2,
    platform_port: int | None = None,
) -> AsyncIterator[Replicas]:
    """`count` processes over an empty database of enrollment, in which the session is applied."""
    ca, clock_file = DevelopmentCa(folder / "certs"), folder / "clock.json"
    key = Ed25519PrivateKey.generate()
    await move_clock(clock_file, now)
    await prepare(dsn, session, key.public_key().public_bytes_raw(), now)
    settings = {
        "registration": _peer(free_port(), "registration"),
        "platform": _peer(platform_port or free_port(), "payment-platform"),
        "clock": {"offset_file": str(clock_file)},
        "log": {"level": "error"},
    }
    async with AsyncExitStack() as stack:
        starting = (service_process(folder, dsn, "enrollment", settings) for _ in range(count))
        started = await asyncio.gather(*map(stack.enter_async_context, starting))
        ports = [process.port for process, _ in started]
        issuer = TokenIssuer(_KEY_ID, key, FixedClock(now), _LIFETIME)
        yield Replicas(dsn, ca, issuer, stack, ports, clock_file)


def _peer(port: int, name: str) -> dict[str, str]:
    return {"target": f"127.0.0.1:{port}", "server_name": name}


async def add_candidates(dsn: str, numbers: range) -> None:
    """Candidates by number, as the feed brings them."""
    await add_people(dsn, [UUID(int=number) for number in numbers])


async def add_people(dsn: str, people: Iterable[UUID]) -> None:
    """Candidates as the feed brings them, by the ten thousand."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.copy_records_to_table(
            "candidate",
            schema_name="enrollment",
            records=[(person, "social", "active", "") for person in people],
            columns=("candidate_id", "track", "standing", "standing_reason"),
        )
    finally:
        await connection.close()


async def prepare(dsn: str, session: Session, public_key: bytes, now: datetime) -> None:
    """A session, and the key of candidates' tokens, where registration is away."""
    config = DatabaseConfig(dsn=dsn)
    async with (
        await Database.connect(config, Queries.load(PACKAGE)) as db,
        db.transaction() as tx,
    ):
        await apply_session(SessionStore(tx), session, dry_run=False, now=now)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "INSERT INTO enrollment.trusted_key VALUES ($1, $2)", _KEY_ID, public_key
        )
    finally:
        await connection.close()
