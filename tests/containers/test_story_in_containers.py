"""The whole session of `zikao demo`, played against the three images with mutual TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import asyncpg
import pypdfium2
import pytest
import pytest_asyncio
from support.containers import ADMIN_PORT, STOP_SECONDS, ServiceContainers
from support.images import image_of
from support.postgres import Cluster
from support.service_databases import drop_installation
from support.services import SERVICES
from zikao_ctl.audit import exit_code, run_audit
from zikao_ctl.demo.command import DEFAULT_SESSION, play
from zikao_ctl.demo.people import Person, Role, make_people
from zikao_ctl.installation import Installation
from zikao_ctl.invariants import AuditPlan
from zikao_ctl.session_file import load_session_file
from zikao_kit.audit_verifying import CLEAN
from zikao_kit.clock import OffsetClock
from zikao_kit.roles import prepare_service

pytestmark = pytest.mark.asyncio(loop_scope="module")

SESSION = load_session_file(Path(__file__).parents[2] / DEFAULT_SESSION)
OTHERS = 12
# In BabelStone Han, and in no font of Noto.
RARE = "\U0002b740"


@dataclass(frozen=True)
class Played:
    """A story that has been played to its end."""

    people: list[Person]
    counts: Mapping[str, int]
    violations: Mapping[str, int]
    out: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The story of the demo with fewer people, one of whom has a rarer name."""
    people = [
        replace(person, name=f"张{RARE}") if person.role is Role.RARE_NAME else person
        for person in make_people(SESSION, OTHERS, seed=7)
    ]
    out = tmp_path_factory.mktemp("story")
    counts, violations = await play(installation, SESSION, people, out, say=lambda _: None)
    return Played(people, counts, violations, out)


async def test_the_images_serve(services: ServiceContainers, installation: Installation) -> None:
    """What serves the installation are three containers of the images under test."""
    images = {name: each.attrs["Config"]["Image"] for name, each in services.containers.items()}
    assert images == {service: image_of(service) for service in SERVICES}
    assert not set(SERVICES) & set(installation.process_ids)


async def test_everybody_who_pays_gets_a_ticket(played: Played) -> None:
    """All are approved and get seats; all but the one who never pays are seated and printed."""
    everybody, enrolled = len(played.people), len(played.people) - 1
    assert played.counts == {
        "registered": everybody,
        "approved": everybody,
        "held": everybody,
        "confirmed": enrolled,
        "refunded": 1,
        "arranged": enrolled,
        "rendered": enrolled,
        "verified": enrolled,
    }


async def test_every_invariant_holds(installation: Installation, played: Played) -> None:
    """Counted by SQL at the end of the story, and by `zikao audit` on what still runs."""
    assert len(played.violations) >= 25
    assert not any(played.violations.values()), played.violations
    now = OffsetClock(installation.clock_file).now()
    plan = AuditPlan(now, timedelta(hours=24), rest_factor=0, settled=True)
    results = await run_audit(installation.admin_dsn, plan)
    assert exit_code(results) == CLEAN, results


async def test_a_rare_character_is_printed(played: Played) -> None:
    """A name with a character that only the image's third font has stands on a ticket."""
    (rare,) = (person for person in played.people if person.role is Role.RARE_NAME)
    texts = [text for file in played.out.glob("*.pdf") for text in texts_of(file)]
    assert any(rare.name in text for text in texts)


async def test_no_container_can_write_but_to_tmp(
    services: ServiceContainers, played: Played
) -> None:
    """After the story, as the user it runs as: every other folder refuses, /tmp does not."""
    script = (
        "import pathlib, sys\n"
        "for folder in sys.argv[1:]:\n"
        "    try: pathlib.Path(folder, 'written').write_text('x')\n"
        "    except OSError: continue\n"
        "    print(folder)\n"
    )
    folders = ("/", "/etc", "/etc/zikao", "/opt/zikao", "/opt/zikao-code", "/var/tmp", "/tmp")
    for container in services.containers.values():
        command = ["python", "-c", script, *folders]
        status, written = await asyncio.to_thread(container.exec_run, command)
        assert (status, written.decode().split()) == (0, ["/tmp"])


async def test_no_container_has_more_rights(services: ServiceContainers, played: Played) -> None:
    """The service runs as 10001 without a capability, and cannot get one."""
    wanted = {"Uid": {"10001"}, "Gid": {"10001"}, "CapPrm": {"0" * 16}, "CapBnd": {"0" * 16}}
    for container in services.containers.values():
        _, status = await asyncio.to_thread(container.exec_run, ["cat", "/proc/1/status"])
        lines = (line.partition(":\t") for line in status.decode().splitlines())
        found = {name: value for name, _, value in lines}
        assert {name: set(found[name].split()) for name in wanted} == wanted
        assert found["NoNewPrivs"] == "1"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_job_migrates(
    services: ServiceContainers, installation: Installation, cluster: Cluster, service: str
) -> None:
    """`migrate --phase pre` as a Job runs it: an empty database has the service's schema then."""
    name = f"job_{uuid4().hex[:8]}"
    dsn = await prepare_service(cluster.admin_dsn, name, service, uuid4().hex)
    try:
        status, said = await services.run_job(service, dsn, "migrate", "--phase", "pre")
        assert status == 0, said
        connection = await asyncpg.connect(dsn)
        versions = await connection.fetch(f"SELECT * FROM {service}.schema_migration")
        await connection.close()
        assert len(versions) > 1
    finally:
        await drop_installation(cluster, name)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_container_that_cannot_serve_yet_ends_when_told(
    services: ServiceContainers, installation: Installation, service: str
) -> None:
    """SIGTERM ends the first process also while it waits for a database that has no such role."""
    dsn = f"postgresql://nobody:x@127.0.0.1:{urlsplit(installation.admin_dsn).port}/postgres"
    status, said = await services.run_job(service, dsn, "serve", until="waiting for the database")
    assert status == 0, said


async def test_probes_find_it_serving(
    services: ServiceContainers, installation: Installation
) -> None:
    """A call without a certificate from within the container, as kubelet's, hears SERVING."""
    script = (
        "import grpc, sys\n"
        "from grpc_health.v1 import health_pb2, health_pb2_grpc\n"
        "channel = grpc.insecure_channel(sys.argv[1])\n"
        "request = health_pb2.HealthCheckRequest(service='')\n"
        "print(health_pb2_grpc.HealthStub(channel).Check(request, timeout=10).status)\n"
    )
    for container in services.containers.values():
        command = ["python", "-c", script, f"127.0.0.1:{ADMIN_PORT}"]
        status, said = await asyncio.to_thread(container.exec_run, command)
        assert (status, said.decode().strip()) == (0, "1")


@pytest.mark.parametrize("service", SERVICES)
async def test_metrics_are_published(
    installation: Installation, played: Played, service: str
) -> None:
    """Prometheus finds a container's metrics at its port, with the calls of the story."""
    url = f"http://127.0.0.1:{installation.ports[f'{service}-metrics']}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as page:
        text = await page.text()
    assert f"zikao.{service}.v1.SessionService" in text


@pytest.mark.parametrize("service", SERVICES[::-1])
async def test_a_container_ends_when_told(
    services: ServiceContainers, installation: Installation, played: Played, service: str
) -> None:
    """SIGTERM to the first process drains it and ends it with 0: nobody had to kill it."""
    container = services.containers[service]
    await asyncio.to_thread(container.stop, timeout=STOP_SECONDS)
    ended = await asyncio.to_thread(container.wait)
    assert ended["StatusCode"] == 0
    assert '"stopped"' in (installation.layout.logs / f"{service}.log").read_text()


def texts_of(file: Path) -> list[str]:
    """The text of each page of a document."""
    with pypdfium2.PdfDocument(file) as pdf:
        return [str(page.get_textpage().get_text_range()) for page in pdf]
