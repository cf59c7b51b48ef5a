"""A whole session through the public RPCs: from the account to the verified ticket."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pypdfium2
import pytest
import pytest_asyncio
from support.exposition import exposed, scraped, written
from zikao_ctl.audit import CLEAN, exit_code, run_audit
from zikao_ctl.audit_log.command import verify_all
from zikao_ctl.audit_log.verifying import Plan
from zikao_ctl.demo.command import DEFAULT_SESSION, play
from zikao_ctl.demo.door import forge
from zikao_ctl.demo.people import Person, Role, make_people
from zikao_ctl.demo.printing import read_code
from zikao_ctl.installation import Installation
from zikao_ctl.invariants import RULES, SETTLED, AuditPlan
from zikao_ctl.session_file import load_session_file
from zikao_ctl.verify_ticket import Scanner, TicketRefused
from zikao_ctl.verify_ticket_command import LIST_FILE, TRUST_FILE
from zikao_kit.clock import OffsetClock

pytestmark = pytest.mark.asyncio(loop_scope="package")

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


@pytest_asyncio.fixture(scope="module", loop_scope="package")
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


def text_of(file: Path) -> str:
    """The text of a document's first page."""
    with pypdfium2.PdfDocument(file) as pdf:
        return str(pdf[0].get_textpage().get_text_range())
