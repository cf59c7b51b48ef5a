"""While everybody goes on calling, processes restart and certificates change: no call fails.

Two processes of each service stand behind one address, and clients are those that we hand out.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import astuple, replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import grpc
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.certificates import (
    is_served,
    new_certificate,
    replace_files,
    serial_of,
    serial_shown,
)
from support.clocks import FixedClock
from support.enrollment_database import NOW
from support.enrollment_replicas import add_candidates, prepare
from support.enrollment_sessions import small_session
from support.registration_people import session_part
from support.registration_server import NOON
from support.replica_pairs import Pairs, running_pairs
from support.service import free_port, new_id, set_clock, until
from support.service_databases import ServiceDatabases
from support.services import SERVICES
from support.steady_load import SESSION_CODE, TIMEOUT_SECONDS, People, SteadyLoad, steady_load
from support.tickets_database import SESSION
from support.tickets_service import session_message
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import enrollment_service_pb2_grpc as enrollment_grpc
from zikao.registration.v1 import session_service_pb2 as registration_sessions
from zikao.tickets.v1 import session_service_pb2 as ticket_sessions
from zikao_client import ZikaoClient
from zikao_kit.channel import ServiceConfig, open_channel
from zikao_kit.channel_renewal import Channels, RenewedChannels
from zikao_kit.config import CertFiles
from zikao_kit.crypto import KeyRing
from zikao_kit.tls import DevelopmentCa
from zikao_kit.tokens import TokenIssuer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEATS = 20_000
KEY_ID = "test-key"
CALLERS = ("portal", "operator", "payment-platform")
AT_ONCE = 8
PATIENCE_SECONDS = 60.0


class World:
    """What runs, and who may submit there."""

    def __init__(self, pairs: Pairs, dsns: dict[str, str], issuer: TokenIssuer) -> None:
        self.pairs, self._dsns, self._issuer = pairs, dsns, issuer
        self.people = People(self._token_of)

    def _token_of(self, candidate: UUID) -> str:
        return self._issuer.issue(str(candidate), "candidate").token

    async def count(self, service: str, table: str) -> int:
        """Rows of a table."""
        connection = await asyncpg.connect(self._dsns[service])
        try:
            found: int = await connection.fetchval(f"SELECT count(*) FROM {service}.{table}")
        finally:
            await connection.close()
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """Six processes, and sessions for all three services."""
    folder, key = tmp_path_factory.mktemp("pairs"), Ed25519PrivateKey.generate()
    dsns = {service: await service_databases.clone(service) for service in SERVICES}
    session, public = small_session(SEATS), key.public_key().public_bytes_raw()
    await prepare(dsns["enrollment"], session, public, NOW)
    await add_candidates(dsns["enrollment"], range(1, SEATS))
    try:
        async with running_pairs(folder, settings_of(folder, dsns)) as pairs:
            async with ZikaoClient(pairs.endpoints, pairs.ca.issue("operator")) as operator:
                part = session_part()
                await operator.registration_sessions.ApplySession(
                    registration_sessions.ApplySessionRequest(request_id=new_id(), session=part),
                    timeout=TIMEOUT_SECONDS,
                )
                await operator.ticket_sessions.ApplySession(
                    ticket_sessions.ApplySessionRequest(
                        request_id=new_id(), session=session_message(SESSION)
                    ),
                    timeout=TIMEOUT_SECONDS,
                )
            issuer = TokenIssuer(KEY_ID, key, FixedClock(NOW), timedelta(hours=2))
            yield World(pairs, dsns, issuer)
    finally:
        for dsn in dsns.values():
            await service_databases.drop(dsn)


def settings_of(folder: Path, dsns: dict[str, str]) -> dict[str, dict[str, object]]:
    """Each service's own settings; others are away, which nobody here needs."""
    KeyRing.generate().write(folder / "keys.yaml")
    away = {"target": f"127.0.0.1:{free_port()}", "server_name": "nobody"}

    def common(service: str, at: datetime) -> dict[str, object]:
        set_clock(folder / f"{service}.json", at)
        clock = {"offset_file": str(folder / f"{service}.json")}
        return {"database": {"dsn": dsns[service]}, "clock": clock}

    quick = {"time_cost": 1, "memory_kib": 64, "parallelism": 1}
    keys = {"key_ring_file": str(folder / "keys.yaml")}
    return {
        "registration": common("registration", NOON) | keys | {"argon2": quick},
        "enrollment": common("enrollment", NOW) | {"registration": away, "platform": away},
        "tickets": common("tickets", NOW) | keys | {"registration": away, "enrollment": away},
    }


def loading(world: World) -> AbstractAsyncContextManager[SteadyLoad]:
    """Who calls all the time."""
    return steady_load(world.pairs.endpoints, world.pairs.ca, world.people, NOW)


async def test_no_call_fails_while_each_process_is_restarted(world: World) -> None:
    """Twelve processes serve at six places, each some of the load, and everything is done once.

    Reads, mutations, a portal's streams and word of payments; subscriptions begin again.
    """
    pairs = world.pairs
    async with loading(world) as load, load.running() as outcome:
        for turn in range(2):
            await asyncio.gather(*(pairs.of[service][turn].restart() for service in SERVICES))
            await load.until_more()
        for place in pairs.all:
            await place.note_served()
    assert not outcome.failed, "\n".join(outcome.failed)
    assert [len(place.served) for place in pairs.all] == [2] * 6
    assert all(min(place.served) > 0 for place in pairs.all), [p.served for p in pairs.all]
    done = outcome.done
    assert await world.count("registration", "account") == done["account"]
    orders = done["submission"] + done["submissions of a portal"]
    assert await world.count("enrollment", "enrollment_order") == orders
    assert await world.count("enrollment", "payment") == done["payment"]
    # Each was with a process that ended.
    assert min(outcome.begun.values()) > 1


async def test_a_process_that_is_killed_fails_calls(world: World) -> None:
    """Without the drain, and for clients that do not repeat, calls are lost: tests would see it."""
    pairs = world.pairs
    victim = pairs.of["enrollment"][0]
    files = pairs.ca.issue("portal")
    failed: list[grpc.StatusCode] = []
    ending = asyncio.Event()
    async with open_channel(
        pairs.target("enrollment"), files, ServiceConfig(), server_name="enrollment"
    ) as channel:
        stub = enrollment_grpc.EnrollmentServiceStub(channel)

        async def keep_calling() -> None:
            while not ending.is_set():
                request = enrollment.GetTimetableRequest(session_code=SESSION_CODE)
                code = await stub.GetTimetable(request, timeout=TIMEOUT_SECONDS).code()
                if code is not grpc.StatusCode.OK:
                    failed.append(code)

        calling = [asyncio.create_task(keep_calling()) for _ in range(AT_ONCE)]
        assert victim.process is not None
        await asyncio.sleep(0.5)
        assert failed == []
        victim.process.send_signal(signal.SIGSTOP)  # calls are under way when it goes
        await asyncio.sleep(0.5)
        victim.process.kill()
        await victim.process.wait()
        await until(lambda: failed, PATIENCE_SECONDS)
        ending.set()
        await asyncio.wait(calling)
    await victim.start()
    assert set(failed) == {grpc.StatusCode.UNAVAILABLE}


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> set[RenewedChannels]:
    """What calls of this process go over."""
    found: set[RenewedChannels] = set()
    now = RenewedChannels.now

    def noted(self: RenewedChannels) -> Channels:
        found.add(self)
        return now(self)

    monkeypatch.setattr(RenewedChannels, "now", noted)
    return found


def all_trust(used: set[RenewedChannels], authorities: bytes) -> bool:
    """Whether all of them have changed over to these authorities."""
    assert used
    return all(each._watch.current.authorities == authorities and not each._coming for each in used)


async def test_certificates_are_replaced_under_load(
    world: World, tmp_path: Path, used: set[RenewedChannels]
) -> None:
    """Certificates of servers and callers, then the authority itself, are replaced: no call fails.

    Each process shows the new ones to new connections; who has what came before is refused then.
    """
    pairs = world.pairs
    files = {name: pairs.ca.issue(name) for name in (*SERVICES, *CALLERS)}
    authority = files["portal"].ca_file
    old = copied(files["portal"], tmp_path / "old")
    new_ca = DevelopmentCa(tmp_path / "new-ca")
    new = {name: new_ca.issue(name) for name in files}
    both = authority.read_bytes() + new["portal"].ca_file.read_bytes()
    prober = CertFiles(new["portal"].cert_file, new["portal"].key_file, tmp_path / "both.pem")
    for path in (old.ca_file, prober.ca_file):
        path.write_bytes(both)
    async with loading(world) as load, load.running() as outcome:
        for name, each in files.items():
            replace_files(each, new_certificate(pairs.ca_folder, name))
        await until_shown(pairs, old, files)
        await load.until_more()

        assert not await any_served(pairs, prober)
        write_in_place(authority, both)
        await until(lambda: all_served(pairs, prober), PATIENCE_SECONDS)
        await until(lambda: all_trust(used, both), PATIENCE_SECONDS)
        for name, each in files.items():
            replace_files(replace(each, ca_file=tmp_path / "copy.pem"), new[name])
        await until_shown(pairs, old, files)
        await load.until_more()

        write_in_place(authority, new["portal"].ca_file.read_bytes())

        async def old_is_out() -> bool:
            return not await any_served(pairs, old)

        await until(old_is_out, PATIENCE_SECONDS)
        await load.until_more()
        assert await all_served(pairs, prober)
    assert not outcome.failed, "\n".join(outcome.failed)


def copied(files: CertFiles, folder: Path) -> CertFiles:
    """The files as they are now."""
    folder.mkdir()
    return CertFiles(*(Path(shutil.copy(path, folder)) for path in astuple(files)))


def write_in_place(path: Path, content: bytes) -> None:
    """As an editor that is no friend of ours writes: readers may see half of it."""
    path.write_bytes(content)


async def until_shown(pairs: Pairs, caller: CertFiles, files: Mapping[str, CertFiles]) -> None:
    """Wait until each process shows the certificate that is in its file now."""

    async def shown() -> bool:
        seen = [await serial_shown(place.port, caller) for place in pairs.all]
        return seen == [serial_of(files[place.service]) for place in pairs.all]

    await until(shown, PATIENCE_SECONDS)


async def served(pairs: Pairs, files: CertFiles) -> list[bool]:
    """Whether each process accepts a new connection with these files."""
    return list(await asyncio.gather(*(is_served(place.port, files) for place in pairs.all)))


async def any_served(pairs: Pairs, files: CertFiles) -> bool:
    """Whether any does."""
    return any(await served(pairs, files))


async def all_served(pairs: Pairs, files: CertFiles) -> bool:
    """Whether each does."""
    return all(await served(pairs, files))
