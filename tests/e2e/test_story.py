"""A whole session through the public RPCs: from the account to the verified ticket."""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import jwt
import pypdfium2
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2, status_pb2
from support.canary import Canary, Search
from support.exposition import exposed, scraped, written
from support.registration_people import log_in_through
from support.registration_server import RegistrationServer
from support.service import new_id, until
from support.traced_client import Traces, calls_of
from zikao.enrollment.v1.enrollment_service_pb2 import SubmitPlanRequest
from zikao.enrollment.v1.enrollment_service_pb2_grpc import EnrollmentServiceStub
from zikao_client import bearer
from zikao_client.scanner import Scanner, TicketRefused
from zikao_ctl.audit import exit_code, run_audit
from zikao_ctl.audit_log.command import verify_all
from zikao_ctl.demo.command import DEFAULT_SESSION, play
from zikao_ctl.demo.door import forge
from zikao_ctl.demo.people import Person, Role, make_people
from zikao_ctl.demo.printing import read_code
from zikao_ctl.installation import Installation
from zikao_ctl.invariants import RULES, SETTLED, AuditPlan
from zikao_ctl.session_file import load_session_file
from zikao_ctl.verify_ticket_command import LIST_FILE, TRUST_FILE
from zikao_kit.audit_verifying import CLEAN, Plan
from zikao_kit.channel import open_channel
from zikao_kit.clock import OffsetClock
from zikao_kit.tls import DevelopmentCa

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
SESSION = load_session_file(ROOT / DEFAULT_SESSION)
OTHERS = 24


@dataclass(frozen=True)
class Played:
    """A story that has been played to its end."""

    people: list[Person]
    counts: Mapping[str, int]
    violations: Mapping[str, int]
    out: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The story of the demo with fewer people."""
    people, out = make_people(SESSION, OTHERS, seed=7), tmp_path_factory.mktemp("story")
    counts, violations = await play(installation, SESSION, people, out, say=lambda _: None)
    return Played(people, counts, violations, out)


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


async def test_every_invariant_holds(played: Played) -> None:
    """Counted in the databases, and at the payment platform, by SQL."""
    assert len(played.violations) >= 25
    assert not any(played.violations.values()), played.violations


async def test_the_audit_finds_nothing_either(installation: Installation, played: Played) -> None:
    """`zikao audit` checks every rule of all three services, on the system that still runs."""
    now = OffsetClock(installation.clock_file).now()
    plan = AuditPlan(now, timedelta(hours=24), rest_factor=0, settled=True)
    results = await run_audit(installation.admin_dsn, plan)
    assert exit_code(results) == CLEAN, results
    assert len(results) == len(SETTLED) + sum(map(len, RULES.values()))


async def test_the_audits_chains_hold(installation: Installation, played: Played) -> None:
    """What offices have done in the story is sealed, and each chain holds from its beginning."""
    plan = Plan(OffsetClock(installation.clock_file).now(), max_unsealed_seconds=60)
    verdicts = await verify_all(installation.admin_dsn, None, plan)
    assert [each.service for each in verdicts] == ["registration", "enrollment", "tickets"]
    assert not any(each.problems for each in verdicts), verdicts
    assert all(each.entries for each in verdicts)
    assert played.counts["approved"] < verdicts[0].entries


async def test_the_ticket_says_all(played: Played) -> None:
    """Name, numbers, county, courses, times, room and seat stand on the page as text."""
    hero = next(person for person in played.people if person.role is Role.HERO)
    courses = {course.code: course.name for course in SESSION.courses}
    (county,) = [c.name for c in SESSION.counties if c.code == hero.county_code]
    text = text_of(played.out / "ticket.pdf")
    labels = ["准考证号", "考场", "座位", "2022年4月16日", "09:00"]
    facts = [hero.name, hero.document_number, county, *(courses[c] for c in hero.course_codes)]
    assert [word for word in (*labels, *facts) if word not in text] == []


async def test_a_scanner_needs_no_network(played: Played) -> None:
    """The QR code of a page in 150 dpi black and white verifies offline; not after a change."""
    with pypdfium2.PdfDocument(played.out / "ticket.pdf") as pdf:
        text = read_code(pdf[0])
    scanner = Scanner.load(played.out / LIST_FILE, played.out / TRUST_FILE)
    proof = scanner.verify(text)
    assert proof.ticket_number in text_of(played.out / "ticket.pdf")
    with pytest.raises(TicketRefused):
        scanner.verify(forge(text))


async def test_the_county_document_has_a_page_each(played: Played) -> None:
    """One page for everybody who is enrolled in the county, each with a name of theirs."""
    with pypdfium2.PdfDocument(played.out / "tickets-county.pdf") as pdf:
        texts = [page.get_textpage().get_text_range() for page in pdf]
    assert 0 < len(texts) < len(played.people)
    names = {person.name for person in played.people}
    assert all(any(name in text for name in names) for text in texts)


async def test_the_page_describes_every_metric(installation: Installation, played: Played) -> None:
    """Name, kind, labels, services and text in docs/observability.md are what processes expose."""
    found, page = exposed(await scraped(installation)), written()
    missing = [each.row() for name, each in found.items() if name not in page]
    assert not missing, "\n".join(missing)
    assert page.keys() == found.keys()
    for name, metric in found.items():
        said = page[name]
        assert (said.kind, said.of, said.says) == (metric.kind, metric.of, metric.says), (
            metric.row()
        )
        assert metric.labels in (said.labels, frozenset()), metric.row()


async def test_one_submission_is_followed_to_the_ticket(
    installation: Installation, traces: Traces, played: Played
) -> None:
    """From the caller's trace to enrollment's answer, its batch, and what tickets made of it."""
    calls = calls_of(traces.calls.get_finished_spans(), "SubmitPlan")
    confirmed = await orders_confirmed(installation)

    async def followed() -> set[str]:
        spans = traces.collector.all()
        answered = {
            span.trace_id
            for span in spans
            if span.service == "enrollment"
            and span.name == "zikao.enrollment.v1.EnrollmentService/SubmitPlan"
            and span.parent_id == calls.get(span.trace_id)
        }
        batches = [span for span in spans if span.name == "enrollment submissions"]
        linked = {trace_id for batch in batches for trace_id in batch.links}
        applied = {
            span.trace_id
            for span in spans
            if span.service == "tickets" and span.name == "apply enrollment.enrollments"
        }
        return answered & linked & applied

    found = await until(lambda: enough(followed, confirmed))
    assert found <= calls.keys()


async def test_an_approval_is_followed_to_who_hears_of_it(traces: Traces, played: Played) -> None:
    """From an officer's trace to registration's batch, and to enrollment's and tickets' feeds."""
    approved = calls_of(traces.calls.get_finished_spans(), "DecideRegistration")

    async def followed() -> set[str]:
        spans = traces.collector.all()
        batches = [span for span in spans if span.name == "registration decisions"]
        linked = {trace_id for batch in batches for trace_id in batch.links}
        applied = [
            {
                span.trace_id
                for span in spans
                if span.service == service and span.name == "apply registration.candidates"
            }
            for service in ("enrollment", "tickets")
        ]
        return linked.intersection(*applied)

    found = await until(lambda: enough(followed, len(played.people)))
    assert found <= approved.keys()


async def test_spans_name_what_was_called_and_nobody(traces: Traces, played: Played) -> None:
    """Services, methods, codes, reasons; no name, number, mobile or token of anybody."""
    spans = traces.collector.all()
    assert {span.service for span in spans} == {"registration", "enrollment", "tickets"}
    names = {attribute for span in spans for attribute in span.attributes}
    assert names - {"error.type"} == {
        "rpc.system",
        "rpc.service",
        "rpc.method",
        "rpc.grpc.status_code",
        "zikao.request_id",
        "zikao.reason",
        "zikao.batch.size",
        "messaging.system",
        "messaging.destination.name",
    }
    search = Search(
        Canary(kind, text)
        for person in played.people
        for kind, text in (
            ("name", person.name),
            ("document number", person.document_number),
            ("password", person.password),
        )
    )
    search.look("spans", bytes(traces.collector.raw))
    assert search.found == set()


async def test_one_id_is_found_wherever_a_call_went(
    installation: Installation, played: Played
) -> None:
    """The caller's id stands in the logs of both services that worked on it, and in the error."""
    person = next(each for each in played.people if each.role is Role.NEVER_PAYS)
    async with AsyncExitStack() as stack:
        server = RegistrationServer(
            installation.dsn("registration"),
            installation.ports["registration"],
            DevelopmentCa(installation.layout.certs),
            installation.clock_file,
            stack,
        )
        portal = await server.caller("portal")
        tokens = await log_in_through(portal, person.document_number, person.password)
        files = installation.certificate("portal")
        channel = await stack.enter_async_context(
            open_channel(installation.targets.enrollment, files, server_name="enrollment")
        )
        # Whom enrollment does not know it asks registration for.
        await forget(installation, subject_of(tokens.access_token))
        request = SubmitPlanRequest(request_id=new_id(), session_code=SESSION.code)
        said = (*bearer(tokens.access_token), ("x-request-id", call_id := f"call-{new_id()}"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await EnrollmentServiceStub(channel).SubmitPlan(request, timeout=5, metadata=said)
    trailing: Any = dict(caught.value.trailing_metadata() or ())  # type: ignore[arg-type]
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    told = error_details_pb2.RequestInfo()
    assert any(each.Unpack(told) for each in status.details)
    assert told.request_id == call_id
    for service in ("enrollment", "registration"):
        log = (installation.layout.logs / f"{service}.log").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in log.splitlines() if call_id in line]
        assert "rpc" in [line["event"] for line in lines], service
        assert {line["request_id"] for line in lines} == {call_id}


def subject_of(token: str) -> str:
    """Whose token it is."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return str(claims["sub"])


async def forget(installation: Installation, candidate_id: str) -> None:
    """Take a candidate out of enrollment's projection, into which only the feed brings them."""
    connection = await asyncpg.connect(installation.dsn("enrollment"))
    try:
        gone = "DELETE FROM enrollment.candidate WHERE candidate_id = $1"
        assert await connection.execute(gone, candidate_id) == "DELETE 1"
    finally:
        await connection.close()


async def enough(found: Callable[[], Awaitable[set[str]]], count: int) -> set[str] | None:
    """What was found, once it is as much."""
    traces = await found()
    return traces if len(traces) >= count else None


async def orders_confirmed(installation: Installation) -> int:
    """How many orders have ever been confirmed after a plan was submitted."""
    connection = await asyncpg.connect(installation.dsn("enrollment"))
    try:
        confirmed = "SELECT count(*) FROM enrollment.enrollment_order WHERE state = 'confirmed'"
        found: int = await connection.fetchval(confirmed)
    finally:
        await connection.close()
    return found


def text_of(file: Path) -> str:
    """The text of a document's first page."""
    with pypdfium2.PdfDocument(file) as pdf:
        return str(pdf[0].get_textpage().get_text_range())
