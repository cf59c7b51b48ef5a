"""A whole rehearsal on an installation of one's own, from nothing to the report."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from zikao_client.client import MAX_MESSAGE_BYTES
from zikao_kit.channel import open_channel
from zikao_kit.clock import OffsetClock, write_offset

from zikao_ctl.apply_session import apply_session
from zikao_ctl.beside import beside
from zikao_ctl.installation import OPERATOR, Installation
from zikao_ctl.rush import checking, measuring, records
from zikao_ctl.rush.arrival import ArrivalCurve
from zikao_ctl.rush.assembling import Run, generators_here, write_up
from zikao_ctl.rush.caller import Setup
from zikao_ctl.rush.generators import Generators, run_generators
from zikao_ctl.rush.people import Candidate, make_candidates
from zikao_ctl.rush.preparing import (
    BEFORE_OPENING,
    SEEDED_BEFORE,
    calibration_session,
    opens_at,
    rehearsed_session,
)
from zikao_ctl.rush.records import Live, Report, Tick
from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.rush.seeding import seed_candidates, seed_plans, signing_key
from zikao_ctl.rush.settling import until_at_rest
from zikao_ctl.rush.submissions import CALLER
from zikao_ctl.rush.ticking import tick_end
from zikao_ctl.rush.watching import (
    CALIBRATION,
    Invariants,
    Ledger,
    Processors,
    Recent,
    Seats,
)
from zikao_ctl.session_file import load_session_file

# Calibration needs no more people than it can have submit.
MOST_CALIBRATED_A_SECOND = 5_000
CLOCK_SEEN_SECONDS = 0.2
HOLD_MARGIN = timedelta(minutes=1)
Say = Callable[[str], None]
OnLive = Callable[[Live], None]


@dataclass
class Rehearsal:
    """One rehearsal; `show` is given what happens twice a second."""

    installation: Installation
    scenario: Scenario
    seed: int
    say: Say
    show: OnLive
    folder: Path
    ticks: list[Tick] = field(default_factory=list)
    phases: list[records.Phase] = field(default_factory=list)
    opening: float = 0.0
    seconds: float = 0.0
    peak: float = 0.0
    coming: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Make the plan."""
        file = load_session_file(self.scenario.session)
        self.session = rehearsed_session(self.scenario, file)
        self.calibration = calibration_session(self.session)
        self.people: Sequence[Candidate] = list(
            make_candidates(self.scenario, self.session, self.seed)
        )
        self.curve = ArrivalCurve(self.scenario.arrival)
        self.opens_at = opens_at(self.scenario, self.session)
        self.seats, self.ledger, self.invariants = Seats(self.session), Ledger(), Invariants()
        self._recent, self._ticked = Recent(), asyncio.Event()
        self._began_at = datetime.now(UTC)
        self._began = time.monotonic()

    async def run(self) -> Report:
        """Prepare, calibrate, open, calm down, settle, compare."""
        await self._apply()
        async with self._generators() as generators:
            await self._seed()
            await generators.wait_for("prepared")
            await generators.do("connect")
            processors = Processors(self.installation, generators.process_ids)
            await self._calibrate(generators, processors)
            async with self._watched():
                await self._open(generators, processors)
            await self._let_holds_end(generators)
            await generators.do("finish")
        return await self._report()

    async def _apply(self) -> None:
        self._set_clock(self.opens_at - BEFORE_OPENING, time.monotonic())
        await asyncio.sleep(CLOCK_SEEN_SECONDS)
        operator = self.installation.certificate(OPERATOR)
        for session in (self.session, self.calibration):
            await apply_session(session, self.installation.targets, operator, dry_run=False)
        self.say(f"session {self.session.code} is applied, and one to calibrate with")

    async def _seed(self) -> None:
        before = self.opens_at - SEEDED_BEFORE
        self.say(f"storing {len(self.people)} candidates")
        await seed_candidates(self.installation, self.people, self.scenario.track, before)
        planners = [each for each in self.people if each.way == "plan"]
        for session in (self.session, self.calibration):
            await seed_plans(self.installation, planners, session.code, before)
        self.say(f"all services know them; {len(planners)} have a saved plan")

    @asynccontextmanager
    async def _generators(self) -> AsyncIterator[Generators]:
        key_id, key = await signing_key(self.installation)
        parts = generators_here()
        setups = [
            self._setup(part, parts, key_id, key.private_bytes_raw()) for part in range(parts)
        ]
        async with run_generators(setups, self._on_tick) as generators, beside(generators.listen()):
            yield generators

    def _setup(self, part: int, parts: int, key_id: str, private_key: bytes) -> Setup:
        installation = self.installation
        calibrated = self.scenario.calibration_seconds * MOST_CALIBRATED_A_SECOND
        return Setup(
            scenario=self.scenario,
            session=self.session,
            seed=self.seed,
            part=part,
            parts=parts,
            calibration_code=self.calibration.code,
            calibrated_with=min(len(self.people), round(calibrated)),
            enrollment=installation.targets.enrollment,
            platform=installation.targets.payment,
            portal_files=installation.certificate(CALLER),
            operator_files=installation.certificate(OPERATOR),
            clock_file=installation.clock_file,
            key_id=key_id,
            private_key=private_key,
            acks_file=self.folder / f"acks-{part}.jsonl",
        )

    async def _calibrate(self, generators: Generators, processors: Processors) -> None:
        """Steps up until the service follows no more; the best two seconds are the peak."""
        self.say("calibrating")
        processors.since()
        begins = tick_end(time.monotonic())
        parts = len(generators.process_ids)
        generators.tell(
            "calibrate",
            begins=begins,
            rate=self.scenario.first_rate / parts,
            seconds=self.scenario.calibration_seconds,
        )
        await self._until_it_lags(begins + self.scenario.calibration_seconds)
        generators.tell("end")
        await generators.wait_for("calibrate")
        ticks = list(self.ticks)
        self.peak = measuring.peak_of(ticks)
        self._end_phase(CALIBRATION, ticks, processors, begins)
        self.say(f"peak: {self.peak:.0f} submissions a second")

    async def _until_it_lags(self, end: float) -> None:
        self._ticked.clear()
        while time.monotonic() < end and measuring.still_follows(self.ticks):
            await self._ticked.wait()
            self._ticked.clear()

    async def _open(self, generators: Generators, processors: Processors) -> None:
        scenario = self.scenario
        top = scenario.load_factor * self.peak
        needed = self.curve.seconds_for(len(self.people), top)
        self.seconds = min(needed, scenario.longest_opening_seconds)
        # On a slow machine only some of them come: else it would be another load.
        self.coming = round(len(self.people) * self.seconds / needed)
        self.opening = tick_end(time.monotonic() + scenario.early_seconds)
        self._set_clock(self.opens_at, self.opening)
        self.say(
            f"the doors open in {scenario.early_seconds:.0f} s; {self.coming} come "
            f"in {self.seconds:.0f} s"
        )
        processors.since()
        begins = time.monotonic()
        generators.tell(
            "run",
            opening=self.opening,
            seconds=self.seconds,
            coming=self.coming,
            early_seconds=scenario.early_seconds,
        )
        for name, ends in (
            ("early", self.opening),
            ("opening", self.opening + self.seconds),
            ("calm", self.opening + self.seconds + scenario.calm_seconds),
        ):
            await asyncio.sleep(max(0.0, ends - time.monotonic()))
            ticks = [tick for tick in self.ticks if begins < tick["at"] <= ends]
            self._end_phase(name, ticks, processors, begins)
            begins = ends
        generators.tell("end")
        self._note(await generators.wait_for("run"))

    async def _let_holds_end(self, generators: Generators) -> None:
        """Move the clock beyond the last hold; then those pay who pay late."""
        self.say("the clock goes beyond the end of all holds")
        clock = OffsetClock(self.installation.clock_file)
        end = clock.now() + self.session.hold + HOLD_MARGIN
        self._set_clock(end, time.monotonic())
        await asyncio.sleep(CLOCK_SEEN_SECONDS)
        dsn = self.installation.admin_dsn
        await until_at_rest(dsn, clock, self.say)
        self._note(await generators.do("pay_late"))
        await until_at_rest(dsn, clock, self.say)

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        target, files = self.installation.targets.enrollment, self.installation.certificate(CALLER)
        async with (
            open_channel(
                target, files, server_name="enrollment", max_message_bytes=MAX_MESSAGE_BYTES
            ) as channel,
            beside(self.seats.watch(channel)),
            beside(self.ledger.watch(self.installation.admin_dsn)),
            beside(self.invariants.watch(self.installation)),
        ):
            yield

    def _on_tick(self, tick: Tick) -> None:
        self.ticks.append(tick)
        self._ticked.set()
        at = tick["at"] - self.opening if self.opening else 0.0
        if tick["phase"] != CALIBRATION:
            self.seats.sample(at)
        self.show(self._recent.live(tick, at, self.seats, self.ledger, self.invariants))

    def _end_phase(
        self, name: str, ticks: Sequence[Tick], processors: Processors, begins: float
    ) -> None:
        # Times become those since the opening when it is known.
        span = (begins, time.monotonic())
        parts = generators_here()
        self.phases.append(measuring.phase_of(name, ticks, processors.since(), parts, span))

    def _note(self, answers: Sequence[Any]) -> None:
        """Parts of payers are counted from the beginning each time."""
        total: Counter[str] = Counter()
        for answer in answers:
            total.update(answer["outcomes"])
            for problem in answer["problems"]:
                self.say(f"somebody could not pay: {problem}")
        self.outcomes = total

    def _set_clock(self, moment: datetime, monotonic: float) -> None:
        """Have the clock of the installation say `moment` at a monotonic time."""
        real = datetime.now(UTC) + timedelta(seconds=monotonic - time.monotonic())
        write_offset(self.installation.clock_file, (moment - real).total_seconds())

    async def _report(self) -> Report:
        self.say("comparing what was acknowledged with what is stored")
        ticks = [Tick(**{**tick, "at": tick["at"] - self.opening}) for tick in self.ticks]
        for phase in self.phases:
            phase["begins"] -= self.opening
            phase["ends"] -= self.opening
        run = Run(
            scenario=self.scenario,
            session=self.session,
            seed=self.seed,
            people=self.people,
            coming=self.coming,
            seconds=self.seconds,
            peak=self.peak,
            top=self.curve.rate(self._top_at(), self.coming, self.seconds),
            began_at=self._began_at,
            ticks=ticks,
            phases=self.phases,
            counties=self.seats.records(),
            paid=self.outcomes,
            acks=checking.read_acks(sorted(self.folder.glob("acks-*.jsonl"))),
        )
        return await write_up(self.installation, run)

    def _top_at(self) -> float:
        return max(self.scenario.arrival, key=lambda point: point[1])[0]


async def run_rush(
    installation: Installation,
    scenario: Scenario,
    *,
    seed: int,
    folder: Path,
    say: Say,
    show: OnLive = lambda _: None,
) -> Report:
    """Rehearse on an installation without data; `folder` is there, for what generators write."""
    return await Rehearsal(installation, scenario, seed, say, show, folder).run()
