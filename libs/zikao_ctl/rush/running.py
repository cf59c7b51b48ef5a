"""A whole rehearsal on an installation of one's own, from nothing to the report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from zikao_client.client import MAX_MESSAGE_BYTES
from zikao_kit.channel import open_channel
from zikao_kit.clock import OffsetClock, write_offset

from zikao_ctl.apply_session import apply_session
from zikao_ctl.beside import beside
from zikao_ctl.faults.alongside import Alongside, faults_of_an_opening
from zikao_ctl.faults.disk import SmallDisk
from zikao_ctl.faults.scene import Scene, open_scene
from zikao_ctl.installation import OPERATOR, Installation
from zikao_ctl.rush import checking, measuring
from zikao_ctl.rush.assembling import generators_here, write_up
from zikao_ctl.rush.caller import Setup
from zikao_ctl.rush.cores import own_core
from zikao_ctl.rush.generators import Generators, run_generators
from zikao_ctl.rush.looking import look_at
from zikao_ctl.rush.opening import OnLive, Opening, Say, Terms
from zikao_ctl.rush.preparing import (
    BEFORE_OPENING,
    SEEDED_BEFORE,
    calibration_session,
    opens_at,
    rehearsed_session,
)
from zikao_ctl.rush.records import Check, FaultRecord, Report, Tick
from zikao_ctl.rush.room import room_of
from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.rush.seeding import PASSWORD, seed_candidates, seed_plans, signing_key
from zikao_ctl.rush.settling import until_at_rest
from zikao_ctl.rush.submissions import CALLER, Account, Tokens
from zikao_ctl.rush.ticking import tick_end
from zikao_ctl.rush.watching import CALIBRATION, Processors
from zikao_ctl.session_file import load_session_file

# Calibration needs no more people than it can have submit.
MOST_CALIBRATED_A_SECOND = 5_000
CLOCK_SEEN_SECONDS = 0.2
PLATEAU_SECONDS, ABOVE = 12.0, 1.25
HOLD_MARGIN = timedelta(minutes=1)


class Rehearsal(Opening):
    """A rehearsal on an installation of one's own, which has no data yet."""

    def __init__(self, installation: Installation, scenario: Scenario, terms: Terms) -> None:
        session = rehearsed_session(scenario, load_session_file(scenario.session))
        super().__init__(scenario, session, terms)
        self.installation = installation
        self.pays = scenario.pay.share > 0
        self.calibration = calibration_session(session)
        self.opens_at = opens_at(scenario, session)
        self._doors = asyncio.Event()
        self._faults: list[FaultRecord] = []
        self.watched.faults = lambda: [f"{each['kind']} {each['victim']}" for each in self._faults]

    async def run(self) -> Report:
        """Prepare, calibrate, open, calm down, settle, compare."""
        await self._apply()
        async with self._generators() as generators:
            await self._seed()
            await generators.wait_for("prepared")
            await generators.do("connect")
            await generators.do("log_in")
            processors = Processors(lambda: self.installation.process_ids, generators.process_ids)
            async with own_core(lambda: self.installation.process_ids), self._watched():
                await self._calibrate(generators, processors)
                async with self._breaking():
                    await self.open(generators, processors)
            finished = await generators.do("finish")
            # Afterwards most seats have gone back, and with them what was sold twice.
            before = await self._compare_early()
            await self._let_holds_end(generators)
        return await self._report(before, sum(each["joins"] for each in finished))

    async def _apply(self) -> None:
        self._set_clock(self.opens_at - BEFORE_OPENING, time.monotonic())
        await asyncio.sleep(CLOCK_SEEN_SECONDS)
        operator = self.installation.certificate(OPERATOR)
        for session in (self.session, self.calibration):
            await apply_session(session, self.installation.targets, operator, dry_run=False)
        self.terms.say(f"session {self.session.code} is applied, and one to calibrate with")

    async def _seed(self) -> None:
        before = self.opens_at - SEEDED_BEFORE
        self.terms.say(f"storing {len(self.people)} candidates")
        await seed_candidates(
            self.installation,
            self.people,
            self.scenario.track,
            before,
            photographed=self.scenario.logins,
        )
        planners = [each for each in self.people if each.way == "plan"]
        for session in (self.session, self.calibration):
            await seed_plans(self.installation, planners, session.code, before)
        self.terms.say(f"all services know them; {len(planners)} have a saved plan")

    @asynccontextmanager
    async def _generators(self) -> AsyncIterator[Generators]:
        key_id, key = await signing_key(self.installation)
        clock = OffsetClock(self.installation.clock_file)
        tokens = Tokens(key_id, key.private_bytes_raw(), clock)
        parts = generators_here()
        setups = [self._setup(part, parts, tokens) for part in range(parts)]
        async with run_generators(setups, self.on_tick) as generators, beside(generators.listen()):
            yield generators

    def _setup(self, part: int, parts: int, tokens: Tokens) -> Setup:
        installation = self.installation
        longest = self.scenario.calibration_seconds + PLATEAU_SECONDS
        calibrated = longest * MOST_CALIBRATED_A_SECOND
        return Setup(
            scenario=self.scenario,
            session=self.session,
            seed=self.terms.seed,
            part=part,
            parts=parts,
            calibration_code=self.calibration.code,
            calibrated_with=min(len(self.people), round(calibrated)),
            enrollment=installation.targets.enrollment,
            platform=installation.targets.payment,
            portal_files=installation.certificate(CALLER),
            operator_files=installation.certificate(OPERATOR),
            registration=installation.targets.registration,
            tokens=tokens,
            accounts=[
                Account(each.document_number, PASSWORD)
                for each in self.people[: self.scenario.logins]
            ],
            acks_file=self.terms.folder / f"acks-{part}.jsonl",
        )

    async def _calibrate(self, generators: Generators, processors: Processors) -> None:
        """Steps up until the service follows no more, then a plateau just above: the peak."""
        self.terms.say("calibrating")
        processors.since()
        begins = tick_end(time.monotonic())
        parts = len(generators.process_ids)
        generators.tell(
            "calibrate",
            begins=begins,
            rate=self.scenario.first_rate / parts,
            seconds=self.scenario.calibration_seconds,
        )
        await self.until_it_lags(begins + self.scenario.calibration_seconds)
        seconds = 0.0 if measuring.still_follows(self.ticks) else PLATEAU_SECONDS
        plateau = await self._hold(generators, seconds)
        await generators.wait_for("calibrate")
        ticks = list(self.ticks)
        self.peak_found = measuring.is_plateau(plateau)
        found = self.peak_found
        self.peak = measuring.peak_of(plateau) if found else measuring.best_of(ticks)
        self.end_phase(CALIBRATION, ticks, processors, begins)
        self.terms.say(f"peak: {self.peak:.0f} submissions a second")

    async def _hold(self, generators: Generators, seconds: float) -> list[Tick]:
        """Have a little more wanted than is done, for some seconds."""
        rate = ABOVE * measuring.done_a_second(self.ticks[-measuring.LAGGING_TICKS :])
        begins = tick_end(time.monotonic())
        ends = begins + seconds
        generators.tell("hold", begins=begins, ends=ends, rate=rate / len(generators.process_ids))
        await asyncio.sleep(ends - time.monotonic())
        return [tick for tick in self.ticks if begins < tick["at"] <= ends]

    async def until_it_lags(self, end: float) -> None:
        """At most until a monotonic time: where people run out before, no tick comes any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(end - time.monotonic()):
                while measuring.still_follows(self.ticks):
                    self.ticked.clear()
                    await self.ticked.wait()

    def open_doors(self) -> None:
        """By the clock of the installation."""
        self._set_clock(self.opens_at, self.opening)
        self._doors.set()

    async def _compare_early(self) -> list[Check]:
        now = OffsetClock(self.installation.clock_file).now()
        dsn, code = self.installation.admin_dsn, self.session.code
        return await checking.compare_before_holds_end(dsn, code, self.acks(), now)

    async def _let_holds_end(self, generators: Generators) -> None:
        """Move the clock beyond the last hold; then those pay who pay late."""
        self.terms.say("the clock goes beyond the end of all holds")
        clock = OffsetClock(self.installation.clock_file)
        end = clock.now() + self.session.hold + HOLD_MARGIN
        self._set_clock(end, time.monotonic())
        await asyncio.sleep(CLOCK_SEEN_SECONDS)
        dsn, layout = self.installation.admin_dsn, self.installation.layout
        ledger = layout.payment_ledger
        await until_at_rest(dsn, clock, self.terms.say, ledger)
        self.note(await generators.do("pay_late"))
        await until_at_rest(dsn, clock, self.terms.say, ledger)

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        target, files = self.installation.targets.enrollment, self.installation.certificate(CALLER)
        watched = self.watched
        async with (
            open_channel(
                target, files, server_name="enrollment", max_message_bytes=MAX_MESSAGE_BYTES
            ) as channel,
            beside(watched.seats.watch(channel)),
            beside(watched.ledger.watch(self.installation.admin_dsn)),
            beside(watched.invariants.watch(self.installation)),
            beside(watched.room.watch(self.installation.admin_dsn)),
        ):
            yield

    @asynccontextmanager
    async def _breaking(self) -> AsyncIterator[None]:
        """Faults beside the load, where they are wanted."""
        if self.terms.fault_every_seconds is None:
            yield
            return
        async with (
            open_scene(self.installation, self.terms.disk) as scene,
            beside(self._break(scene, self.terms.fault_every_seconds)),
        ):
            yield

    async def _break(self, scene: Scene, every_seconds: float) -> None:
        await self._doors.wait()
        seconds = self.seconds + self.scenario.calm_seconds
        faults = faults_of_an_opening(self.terms.seed, seconds, every_seconds)
        alongside = Alongside(scene, faults, self.terms.say)
        self._faults = alongside.records
        await alongside.run(self.opening)
        await asyncio.Event().wait()

    def _set_clock(self, moment: datetime, monotonic: float) -> None:
        """Have the clock of the installation say `moment` at a monotonic time."""
        real = datetime.now(UTC) + timedelta(seconds=monotonic - time.monotonic())
        write_offset(self.installation.clock_file, (moment - real).total_seconds())

    async def _report(self, before: Sequence[Check], joins: int) -> Report:
        self.terms.say("comparing what was acknowledged with what is stored")
        run = self.done()
        found = await look_at(self.installation, run)
        broken = self.watched.invariants.broken
        found = replace(
            found,
            checks=checking.both(before, found.checks),
            violations=checking.with_broken_meanwhile(found.violations, broken),
        )
        if not self.scenario.waiting_room:
            return write_up(run, found, self._faults)
        dsn = self.installation.admin_dsn
        room = await room_of(dsn, self.watched.room, self.opening, joins, run.acks)
        found = replace(
            found,
            checks=[*found.checks, room.as_drawn],
            room=room.room,
            places_per_candidate=room.places_per_candidate,
        )
        return write_up(run, found, self._faults)


async def run_rush(
    installation: Installation,
    scenario: Scenario,
    *,
    seed: int,
    folder: Path,
    say: Say,
    show: OnLive = lambda _: None,
    fault_every_seconds: float | None = None,
    disk: SmallDisk | None = None,
) -> Report:
    """Rehearse on an installation without data; `folder` is there, for what generators write.

    `fault_every_seconds`: one fault in so many; `disk`: what can be filled then.
    """
    terms = Terms(seed, folder, say, show, fault_every_seconds, disk)
    return await Rehearsal(installation, scenario, terms).run()
