"""The newest release's services and today's beside each other, through a whole upgrade.

One long course of events on real processes, in the order of docs/upgrades.md; each test here says
what one part of it has shown.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import pytest_asyncio
from support.postgres import Cluster
from support.released_code import lay_out, releases, today
from support.services import SERVICES
from support.upgrade_calls import Calls, calling
from support.upgrade_fleet import NEW, OLD, Fleet, open_fleet
from support.upgrade_story import Story, Storyteller, small_session
from zikao_ctl.audit import exit_code, run_audit
from zikao_ctl.demo.stage import Stage
from zikao_ctl.invariants import RULES, SETTLED, AuditPlan, Checked
from zikao_kit.audit_verifying import CLEAN
from zikao_kit.clock import OffsetClock
from zikao_kit.migration_files import load_migrations

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRE, POST = "pre under calls of the release", "post under calls of today's services"
ROLL_OUT, OLD_ENDS = "today's services start beside the release's", "the release's services end"
ROLL_BACK, ROLL_FORWARD = "back to the release", "forward again"
# What draws portraits and reads codes.
HANDS = 1
# What those who call use (support.upgrade_calls).
METHODS = {
    "CreateAccount",
    "LogIn",
    "UpdateRegistration",
    "GetRegistration",
    "SubmitEnrollment",
    "ChangeOrder",
}
METHODS |= {
    "ListOrders",
    "GetAvailability",
    "CancelOrder",
    "AcknowledgeNotice",
    "VerifyTicket",
    "GetNotice",
}


@dataclass
class Upgrade:
    """What was seen on the way."""

    calls: dict[str, Calls] = field(default_factory=dict)
    applied: dict[str, set[str]] = field(default_factory=dict)
    answered: Mapping[str, int] = field(default_factory=dict)
    audits: dict[str, list[Checked]] = field(default_factory=dict)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upgraded(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Upgrade]:
    """From the newest release to today, back before `post`, and forward again."""
    folder = tmp_path_factory.mktemp("upgrade")
    codes = {OLD: lay_out(releases()[0].commit, folder / "released"), NEW: today(folder / "today")}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(HANDS, mp_context=context) as hands:
        async with open_fleet(cluster, folder / "fleet", codes) as fleet, AsyncExitStack() as stack:
            teller = Storyteller(fleet, hands, folder, {}, small_session())
            at = Course(fleet, teller, Upgrade(), stack)
            await the_release_alone(at)
            await beside_each_other(at)
            await there_and_back(at)
            await after_that(at)
            yield at.seen


@dataclass
class Course:
    """The course of events; `callers` and `past` (a session that is over) once they are there."""

    fleet: Fleet
    teller: Storyteller
    seen: Upgrade
    stack: AsyncExitStack
    callers: Stage | None = None
    past: Story | None = None
    began: float = field(default_factory=time.monotonic)

    def tell(self, what: str) -> None:
        """Say what comes, with the time, for whoever looks at a failure."""
        print(f"{time.monotonic() - self.began:6.1f} s  {what}")  # noqa: T201

    @asynccontextmanager
    async def under_calls(self, what: str, *, rolling: bool = False) -> AsyncIterator[None]:
        """Do the block's work while others call."""
        assert self.callers
        assert self.past
        self.tell(what)
        async with calling(self.callers, self.past, rolling=rolling) as calls:
            self.seen.calls[what] = calls
            yield

    async def begin(self) -> Story:
        """The next session's story."""
        return await self.stack.enter_async_context(self.teller.begin())

    async def migrate(self, phase: str, kind: str = NEW) -> None:
        """Apply a phase's migrations of a version; note which they were."""
        said = await self.fleet.migrate(kind, phase)
        self.seen.applied[phase] = {word for word in said.split() if word in migrations()}

    async def audit(self, when: str) -> None:
        """Check every invariant on what runs, at rest."""
        now = OffsetClock(self.fleet.clock_file).now()
        plan = AuditPlan(now, timedelta(hours=24), rest_factor=0, settled=True)
        self.seen.audits[when] = await run_audit(self.fleet.admin_dsn, plan)


async def the_release_alone(at: Course) -> None:
    """Its own schema with a whole session in it, then today's `pre` under its calls."""
    at.tell("the release begins")
    await at.fleet.start_platform()
    await at.migrate("all", OLD)
    await at.fleet.start(OLD)
    at.callers = await at.stack.enter_async_context(at.teller.let_callers_in())
    at.past = await at.begin()
    await at.past.whole()
    async with at.under_calls(PRE):
        await at.migrate("pre")


async def beside_each_other(at: Course) -> None:
    """A replica of today beside each of the release goes on with what that began, until it ends."""
    at.tell("the release after pre")
    story = await at.begin()
    await story.first_half()
    async with at.under_calls(ROLL_OUT, rolling=True):
        await at.fleet.start(NEW)
    before = await at.fleet.calls_answered()
    await story.second_half()
    story = await at.begin()
    await story.first_half()
    async with at.under_calls(OLD_ENDS, rolling=True):
        after = await at.fleet.calls_answered()
        at.seen.answered = {name: after[name] - before[name] for name in after}
        await at.fleet.stop(OLD)
    await story.second_half()


async def there_and_back(at: Course) -> None:
    """Today's services begin a session, the release's end it, and give way for good."""
    at.tell("today's services before post")
    story = await at.begin()
    await story.first_half()
    async with at.under_calls(ROLL_BACK, rolling=True):
        await at.fleet.start(OLD)
        await at.fleet.stop(NEW)
    await story.second_half()
    await at.audit(ROLL_BACK)
    async with at.under_calls(ROLL_FORWARD, rolling=True):
        await at.fleet.start(NEW)
        await at.fleet.stop(OLD)


async def after_that(at: Course) -> None:
    """`post` under the calls of today's services."""
    async with at.under_calls(POST):
        await at.migrate("post")
    await at.audit(POST)
    at.tell("the end")


def migrations() -> set[str]:
    """Names of all migrations of today."""
    return {str(each) for service in SERVICES for each in load_migrations(f"zikao_{service}")}


@pytest.mark.parametrize("step", [PRE, ROLL_OUT, OLD_ENDS, ROLL_BACK, ROLL_FORWARD, POST])
async def test_no_call_fails(upgraded: Upgrade, step: str) -> None:
    """Accounts, logins, seats, changes, scans: all are answered as asked in every step."""
    calls = upgraded.calls[step]
    assert calls.failed == []
    assert set(calls.answered) == METHODS
    # Who lost a connection came again; nobody had to while only the schema changed.
    assert calls.rolling or not calls.repeated


async def test_all_that_is_missing_was_applied(upgraded: Upgrade) -> None:
    """The release's own migrations first, then today's `pre`, then today's `post`; none is left."""
    phases = [upgraded.applied[phase] for phase in ("all", "pre", "post")]
    assert set().union(*phases) == migrations()
    assert all("_pre_" in name for name in phases[1])
    assert all("_post_" in name for name in phases[2])


async def test_calls_go_to_both(upgraded: Upgrade) -> None:
    """While old and new replicas serve, each of all six answers calls of the story and others'."""
    assert set(upgraded.answered) == {f"{each}-{kind}" for each in SERVICES for kind in (OLD, NEW)}
    assert min(upgraded.answered.values()) > 1, upgraded.answered


@pytest.mark.parametrize("when", [ROLL_BACK, POST])
async def test_every_invariant_holds(upgraded: Upgrade, when: str) -> None:
    """`zikao audit` finds nothing after the way back, and nothing at the end."""
    results = upgraded.audits[when]
    assert exit_code(results) == CLEAN, results
    assert len(results) == len(SETTLED) + sum(map(len, RULES.values()))
