"""`zikao up` and what it is made of, with real processes: killed, stopped, and started again."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import ssl
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import asyncpg
import grpc
import pytest
import pytest_asyncio
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from support.postgres import Cluster
from support.processes import family_of, is_alive
from support.service import until
from support.service_databases import with_database
from support.services import SERVICES
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import account_service_pb2_grpc as accounts_grpc
from zikao.registration.v1 import identity_provider_service_pb2 as provider
from zikao.registration.v1 import identity_provider_service_pb2_grpc as provider_grpc
from zikao.registration.v1.types_pb2 import DocumentType
from zikao.sandbox.v1 import sandbox_service_pb2 as sandbox
from zikao.sandbox.v1 import sandbox_service_pb2_grpc as sandbox_grpc
from zikao_ctl.apply_session import ApplyRefused, apply_session
from zikao_ctl.audit import admin_dsn_of, exit_code, run_audit, time_of
from zikao_ctl.installation import (
    OPERATOR,
    Installation,
    Targets,
    certificate_of,
    open_operator_channel,
    run_installation,
)
from zikao_ctl.invariants import RULES, AuditPlan
from zikao_ctl.layout import InstallationError, Layout
from zikao_ctl.ports import is_free
from zikao_ctl.programs import PARTS
from zikao_ctl.readiness import is_serving
from zikao_ctl.session_file import load_session_file
from zikao_ctl.session_model import SessionFile
from zikao_kit.audit_verifying import CLEAN
from zikao_kit.clock import OFFSET_RECHECK_SECONDS, write_offset
from zikao_kit.error_table import reason_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SESSION = load_session_file(Path(__file__).parents[2] / "examples/sichuan-22.1.yaml")
NAMES = tuple(part.name for part in PARTS)
START_SECONDS = 60.0
NOTHING_CHANGES: dict[str, list[str]] = {service: [] for service in SERVICES}


def quiet(_: str) -> None:
    """Progress that nobody reads."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """An installation for the tests that leave it running."""
    layout = Layout(tmp_path_factory.mktemp("up") / "data")
    async with run_installation(layout, port_base=None, say=quiet) as installation:
        await apply(installation.targets, layout)
        yield installation


async def apply(
    targets: Targets, layout: Layout, *, dry_run: bool = False, session: SessionFile = SESSION
) -> dict[str, list[str]]:
    """Apply a session (the example) at all three services."""
    files = certificate_of(layout.certs, OPERATOR)
    return await apply_session(session, targets, files, dry_run=dry_run)


@asynccontextmanager
async def channel_to(installation: Installation, name: str) -> AsyncIterator[grpc.aio.Channel]:
    """The operator's channel to a process."""
    target = f"127.0.0.1:{installation.ports[name]}"
    async with open_operator_channel(target, installation.certificate(OPERATOR)) as channel:
        yield channel


async def create_account(channel: grpc.aio.Channel) -> str:
    """Register somebody; the error's reason, empty when it went well."""
    request = accounts.CreateAccountRequest(
        request_id=str(uuid4()),
        session_code=SESSION.code,
        document_type=DocumentType.DOCUMENT_TYPE_RESIDENT_ID,
        document_number="11010519491231002X",
        password=secrets.token_urlsafe(12),
    )
    try:
        await accounts_grpc.AccountServiceStub(channel).CreateAccount(request)
    except grpc.aio.AioRpcError as error:
        return reason_of(error) or str(error)
    return ""


async def until_all_serve(installation: Installation) -> None:
    """Wait for the recovery."""
    async with asyncio.timeout(START_SECONDS):
        for name in NAMES:
            async with channel_to(installation, name) as channel:
                while not await is_serving(channel):
                    await asyncio.sleep(0.05)


async def until_restarted(installation: Installation, name: str, killed: int) -> None:
    """Wait until another process has the killed one's place, and everything serves."""
    await until(lambda: installation.process_ids.get(name, killed) != killed, START_SECONDS)
    await until_all_serve(installation)


async def test_every_process_answers_what_it_is_for(installed: Installation) -> None:
    """A session applied is known at all three services, and the payment platform obeys."""
    assert set(installed.process_ids) == {*NAMES, "postgres"}
    assert await apply(installed.targets, installed.layout) == NOTHING_CHANGES
    async with channel_to(installed, "registration") as channel:
        keys = await accounts_grpc.AccountServiceStub(channel).ListSigningKeys(
            accounts.ListSigningKeysRequest()
        )
    assert keys.keys
    async with channel_to(installed, "payment") as channel:
        request = sandbox.SetBehaviourRequest(request_id=str(uuid4()), copies=1)
        request.max_delay.FromSeconds(0)
        await sandbox_grpc.SandboxServiceStub(channel).SetBehaviour(request)


async def test_registration_reaches_the_outside(installed: Installation) -> None:
    """The provider of the installation answers registration, and the gateway who has its key."""
    async with channel_to(installed, "registration") as channel:
        begun = await provider_grpc.IdentityProviderServiceStub(channel).StartProviderLogin(
            provider.StartProviderLoginRequest(request_id=str(uuid4())), timeout=START_SECONDS
        )
    identity, sms = installed.ports["identity"], installed.ports["sms"]
    assert begun.authorization_url.startswith(f"https://127.0.0.1:{identity}/authorize?")
    tls = ssl.create_default_context(cafile=installed.certificate("portal").ca_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        async with session.get(begun.authorization_url) as page:
            assert "阿依古丽·买买提" in await page.text()
        async with session.get(f"https://127.0.0.1:{sms}/v1/messages") as phones:
            assert await phones.json() == {"messages": []}


async def test_a_refused_session_is_refused_in_words(installed: Installation) -> None:
    """The operator reads the service's sentence: what candidates would lose."""
    other = replace(SESSION, code="22.2")
    with pytest.raises(ApplyRefused) as refused:
        await apply(installed.targets, installed.layout, session=other)
    assert str(refused.value) == (
        "registration: SESSION_CHANGE_REFUSED: "
        "考次设置变更会影响已有考生：考次段221已由其他考次使用"
    )


async def test_an_invalid_session_is_refused_with_every_bad_field(installed: Installation) -> None:
    """What only a service knows to be wrong is told field by field, with what is wrong."""
    counties = (replace(SESSION.counties[0], name=""), *SESSION.counties[1:])
    wrong = replace(SESSION, name="名" * 101, counties=counties)
    with pytest.raises(ApplyRefused) as refused:
        await apply(installed.targets, installed.layout, session=wrong)
    first, *fields = str(refused.value).splitlines()
    assert first == "registration: INVALID_REQUEST: 请求内容有误，请按提示逐项改正"
    assert fields == [
        "  - session.name: 长度不能超过100个字符",
        "  - session.counties[0].name: 长度不能少于1个字符",
    ]


@pytest.mark.parametrize("name", SERVICES)
async def test_reflection_is_on(installed: Installation, name: str) -> None:
    """Tools such as grpcurl find the contracts without the proto files."""
    async with channel_to(installed, name) as channel:
        stream = ServerReflectionStub(channel).ServerReflectionInfo()
        await stream.write(ServerReflectionRequest(list_services=""))
        answer = await stream.read()
        stream.cancel()
    names = {service.name for service in answer.list_services_response.service}
    assert f"zikao.{name}.v1.SessionService" in names


async def test_a_service_sees_its_own_schema_only(installed: Installation) -> None:
    """The roles that the installation made have no rights on each other's tables."""
    connection = await asyncpg.connect(installed.dsn("enrollment"))
    try:
        assert await connection.fetchval("SELECT count(*) FROM enrollment.session") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval("SELECT count(*) FROM registration.session")
    finally:
        await connection.close()


@pytest.mark.parametrize("name", NAMES)
async def test_a_killed_process_is_back(installed: Installation, name: str) -> None:
    """kill -9 of one process brings a new one that serves, and leaves the others alone."""
    before = installed.process_ids
    os.kill(before[name], signal.SIGKILL)
    await until_restarted(installed, name, before[name])
    after = installed.process_ids
    assert {other for other in before if before[other] != after[other]} == {name}


async def test_a_killed_postgresql_is_back_with_its_data(installed: Installation) -> None:
    """kill -9 of the postmaster is over as soon as it has recovered: the services find it again."""
    before = installed.process_ids
    os.kill(before["postgres"], signal.SIGKILL)
    await until_restarted(installed, "postgres", before["postgres"])
    async with asyncio.timeout(START_SECONDS):
        while await _changes_or_unavailable(installed) != NOTHING_CHANGES:
            await asyncio.sleep(0.1)
    after = installed.process_ids
    assert all(after[name] == before[name] for name in NAMES), "a service died with the database"


async def test_one_file_moves_the_clock_of_the_services(installed: Installation) -> None:
    """Registration opens when the clock is moved into its window, and closes when it is back."""
    first_day = datetime(2022, 2, 21, 4, tzinfo=UTC)
    async with channel_to(installed, "registration") as channel:
        assert await create_account(channel) == "REGISTRATION_CLOSED"
        write_offset(installed.clock_file, (first_day - datetime.now(UTC)).total_seconds())
        try:
            await asyncio.sleep(2 * OFFSET_RECHECK_SECONDS)
            assert await create_account(channel) == ""
        finally:
            write_offset(installed.clock_file, 0)


async def test_a_running_installation_is_audited(installed: Installation) -> None:
    """`zikao audit` finds the embedded PostgreSQL in the directory, and all three schemas in it."""
    plan = AuditPlan(time_of(installed.layout.data, None), timedelta(hours=24), rest_factor=0)
    results = await run_audit(admin_dsn_of(installed.layout.data, None), plan)
    assert [each.invariant for each in results] == [name for of in RULES.values() for name in of]
    assert exit_code(results) == CLEAN


async def test_a_second_up_on_the_same_data_is_refused(installed: Installation) -> None:
    """Two at once would ruin the data: the second says who has it, and fails."""
    process = await start_up(installed.layout)
    output = (await process.communicate())[0].decode()
    assert process.returncode == 1
    assert f"is in use: process {os.getpid()} runs it" in output


async def test_a_taken_port_is_refused_in_words(installed: Installation, tmp_path: Path) -> None:
    """The error names the port and the option that helps; no process was started."""
    base = installed.ports["tickets"] - 3
    process = await start_up(Layout(tmp_path / "data"), "--port-base", str(base))
    output = (await process.communicate())[0].decode()
    assert process.returncode == 1
    assert f"port {base + 3} (tickets) is taken" in output
    assert "--port-base" in output


async def test_a_process_that_cannot_start_is_named_with_its_log(tmp_path: Path) -> None:
    """Instead of starting again for ever, the end of the log says what is wrong."""
    layout = Layout(tmp_path / "data")
    with layout.claimed():
        layout.secrets.mkdir()
        (layout.secrets / "tickets.keys.yaml").write_text("current: lost")
    process = await start_up(layout)
    output = (await process.communicate())[0].decode()
    assert process.returncode == 1
    assert "tickets ends as soon as it starts" in output
    assert "configuration refused" in output
    assert "tickets.keys.yaml: expected exactly the fields" in output


async def test_up_goes_on_after_kill_9_and_leaves_nothing_when_stopped(tmp_path: Path) -> None:
    """kill -9 of `zikao up` takes all processes along and loses no data; SIGTERM ends it well."""
    layout = Layout(tmp_path / "data")
    first, targets, family = await started_up(layout)
    await apply(targets, layout)
    first.kill()
    await first.wait()
    await until(lambda: not any(map(is_alive, family)))

    second, same_targets, family = await started_up(layout)
    assert same_targets == targets
    assert await apply(targets, layout, dry_run=True) == NOTHING_CHANGES
    second.terminate()
    output = (await second.communicate())[0].decode()
    assert second.returncode == 0, output
    assert f"-cacert {layout.certs}/ca.pem -cert {layout.certs}/operator.pem" in output
    assert f"{targets.enrollment} grpc.health.v1.Health/Check" in output
    assert not any(map(is_alive, family))
    assert all(is_free(port) for port in layout.read_mark().ports.values())


async def test_up_uses_a_postgresql_of_the_users(cluster: Cluster, tmp_path: Path) -> None:
    """With a database URL no PostgreSQL is started; its data stay there until a reset."""
    database = f"up_{secrets.token_hex(4)}"
    url = with_database(cluster.admin_dsn, database)
    first, second = Layout(tmp_path / "first"), Layout(tmp_path / "second")
    try:
        async with run_installation(
            first, port_base=0, database_url=url, say=quiet
        ) as installation:
            assert set(installation.process_ids) == set(NAMES)
            assert urlsplit(installation.dsn("tickets")).path == f"/{database}"
            await apply(installation.targets, first)
        with pytest.raises(InstallationError, match="data of another installation"):
            async with run_installation(second, port_base=0, database_url=url, say=quiet):
                pytest.fail("it would have used keys that are not those of the data")
        again = run_installation(second, port_base=0, database_url=url, reset=True, say=quiet)
        async with again as installation:
            changes = await apply(installation.targets, second, dry_run=True)
            assert all(changes[service] for service in SERVICES), "the reset left a session"
    finally:
        await _drop(cluster, database)


async def start_up(layout: Layout, *options: str) -> Process:
    """`zikao up` as a process of its own."""
    words = [sys.executable, "-m", "zikao_ctl.main", "up", "--data", str(layout.data)]
    options = options or ("--port-base", "0")
    return await asyncio.create_subprocess_exec(*words, *options, stdout=PIPE, stderr=STDOUT)


async def started_up(layout: Layout) -> tuple[Process, Targets, set[int]]:
    """`zikao up` when all is serving; where; and every process that it started."""
    process = await start_up(layout)
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(START_SECONDS):
        while "everything is serving" not in "".join(lines[-1:]):
            lines.append((await process.stdout.readline()).decode())
            assert lines[-1], "".join(lines)
    ports = layout.read_mark().ports
    family = family_of([process.pid])
    assert len(family) > len(NAMES) + 1
    return process, Targets(**{name: f"127.0.0.1:{ports[name]}" for name in NAMES}), family


async def _changes_or_unavailable(installation: Installation) -> dict[str, list[str]] | str:
    try:
        return await apply(installation.targets, installation.layout, dry_run=True)
    except ApplyRefused as refused:
        return str(refused)


async def _drop(cluster: Cluster, database: str) -> None:
    connection = await asyncpg.connect(cluster.admin_dsn)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        for service in SERVICES:
            await connection.execute(f"DROP ROLE IF EXISTS {database}_{service}")
    finally:
        await connection.close()
