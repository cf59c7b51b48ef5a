"""`zikao faults`: an installation of its own, load, faults, a verdict."""

from __future__ import annotations

import asyncio
import logging
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import click
import structlog
from rich.console import Console
from zikao_kit.channel import open_channel
from zikao_kit.server import run

from zikao_ctl.apply_session import apply_session
from zikao_ctl.beside import beside
from zikao_ctl.database_server import DiskLimits
from zikao_ctl.demo.command import DEFAULT_SESSION
from zikao_ctl.faults.disk import SmallDisk, enter
from zikao_ctl.faults.load import Load
from zikao_ctl.faults.report import (
    EXIT_CODES,
    INCONCLUSIVE,
    Wanted,
    report_of,
    show_report,
    write_report,
)
from zikao_ctl.faults.running import Rehearsal
from zikao_ctl.faults.scene import NotRecovered, Scene, mended, open_scene
from zikao_ctl.faults.schedule import KINDS, Fault, draw_faults, grouped
from zikao_ctl.faults.world import Tokens, make_people, open_session
from zikao_ctl.installation import (
    OPERATOR,
    Installation,
    Shape,
    open_operator_channel,
    run_installation,
)
from zikao_ctl.layout import InstallationError, Layout
from zikao_ctl.options import FILE, FOLDER
from zikao_ctl.rush.seeding import SeedingFailed, seed_candidates
from zikao_ctl.session_file import load_session_file
from zikao_ctl.session_model import SessionFile
from zikao_ctl.supervisor import QUICK
from zikao_ctl.up import progress

DEFAULT_OUT = Path("out/faults")
DEFAULT_COUNT, DEFAULT_MINUTES, CALLS_PER_SECOND = 200, 15.0, 150.0
PEOPLE, PEOPLE_PER_FAULT = 600, 8
RECOVERY_SECONDS = 15.0
WARM_UP_SECONDS = 1.0
PORTAL = "portal"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """What the command was told."""

    seed: int
    count: int
    kinds: Sequence[str]
    minutes: float
    per_second: float
    recovery_seconds: float
    out: Path
    session: Path

    def faults(self) -> list[Fault]:
        """The whole schedule."""
        return draw_faults(self.seed, self.count, self.kinds)


async def rehearse(settings: Settings, say: Say) -> int:
    """Run it all; the exit code. Raises InstallationError."""
    data = settings.out / "installation"
    disk = SmallDisk.mount(settings.out / "disk")
    layout = Layout(data, postgres=disk.folder / "postgres" if disk else None)
    shape = Shape(enrollments=2, proxy=True, disk=DiskLimits(), patience=QUICK)
    session = load_session_file(settings.session)
    async with (
        run_installation(layout, port_base=None, reset=True, say=say, shape=shape) as installation,
        _under_load(installation, session, settings, say) as load,
        open_scene(installation, disk) as scene,
        mended(scene),
    ):
        await asyncio.sleep(WARM_UP_SECONDS)
        return await _break(scene, load, settings, say)


async def _break(scene: Scene, load: Load, settings: Settings, say: Say) -> int:
    """Break it and write the report, also when interrupted; the exit code."""
    rehearsal = Rehearsal(scene, load, say, settings.recovery_seconds)
    began = time.monotonic()
    problem, cut_short = "", "interrupted"
    try:
        async with asyncio.timeout(settings.minutes * 60) as limit:
            await rehearsal.run(grouped(settings.faults(), settings.seed))
        cut_short = ""
    except NotRecovered as error:
        problem = f"does not recover: {error}"
    except TimeoutError:
        if not limit.expired():
            raise
        cut_short = f"not done after {settings.minutes:g} minutes"
    finally:
        seconds = time.monotonic() - began
        wanted = Wanted(
            seed=settings.seed,
            count=settings.count,
            kinds=settings.kinds,
            seconds=seconds,
            rests=rehearsal.rests,
            problem=problem,
            cut_short=cut_short,
        )
        report = report_of(wanted, rehearsal.happened, load)
        write_report(settings.out, report)
        show_report(Console(), report)
    return EXIT_CODES[report["verdict"]]


@asynccontextmanager
async def _under_load(
    installation: Installation, file: SessionFile, settings: Settings, say: Say
) -> AsyncIterator[Load]:
    """People who are known everywhere, and who call from now on."""
    session = open_session(file, datetime.now(UTC))
    operator = installation.certificate(OPERATOR)
    await apply_session(session, installation.targets, operator, dry_run=False)
    count, chance = PEOPLE + PEOPLE_PER_FAULT * settings.count, Random(f"load:{settings.seed}")  # noqa: S311
    people = make_people(session, count, chance)
    await seed_candidates(installation, people, "social", datetime.now(UTC))
    say(f"{count} candidates are registered, and known to all services")
    tokens = await Tokens.open(installation)
    portal = installation.certificate(PORTAL)
    targets = installation.targets
    async with (
        # Neither repeats a call by itself: what is in doubt is to be seen.
        open_channel(targets.enrollment, portal, server_name="enrollment") as enrollment,
        open_operator_channel(targets.payment, operator) as platform,
    ):
        load = Load(
            session,
            [each.candidate_id for each in people],
            tokens,
            (enrollment, platform),
            chance=chance,
            per_second=settings.per_second,
        )
        async with beside(load.run()):
            yield load


@click.command("faults", short_help="Break an installation again and again, and look.")
@click.option("--count", type=click.IntRange(1), default=DEFAULT_COUNT, show_default=True)
@click.option("--seed", type=int, help="Of the schedule and the load; one is drawn and said.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help=f"It ends after so long; by default {DEFAULT_MINUTES:g} for {DEFAULT_COUNT} faults.",
)
@click.option("--only", "only", multiple=True, type=click.Choice(KINDS), help="These kinds alone.")
@click.option("--without", multiple=True, type=click.Choice(KINDS), help="Not these kinds.")
@click.option(
    "--rate",
    "per_second",
    type=click.FloatRange(1, 2000),
    default=CALLS_PER_SECOND,
    show_default=True,
    help="Calls a second.",
)
@click.option(
    "--recovery-seconds",
    type=click.FloatRange(1, 600),
    default=RECOVERY_SECONDS,
    show_default=True,
    help="All must be well again within so long after each fault.",
)
@click.option("--out", type=FOLDER, default=DEFAULT_OUT, show_default=True, help="Where it writes.")
@click.option("--session", type=FILE, default=DEFAULT_SESSION, help="Whose courses are taken.")
@click.option("--dry-run", is_flag=True, help="Print the schedule, and break nothing.")
def faults(
    *,
    count: int,
    seed: int | None,
    minutes: float | None,
    only: tuple[str, ...],
    without: tuple[str, ...],
    per_second: float,
    recovery_seconds: float,
    out: Path,
    session: Path,
    dry_run: bool,
) -> None:
    """Break an installation of its own under load, and look after each fault.

    Processes and PostgreSQL are killed and frozen, connections are lost exactly at COMMIT, the
    payment platform misbehaves, the database's disk is full, clocks jump. After every fault the
    auditor must find nothing, what was acknowledged must be in the database, and what is in doubt
    must come to its true end. The same --seed draws the same schedule.

    Exit status: 0 PASS, 1 FAIL, 3 INCONCLUSIVE: less was broken than was asked for.
    """
    kinds = tuple(kind for kind in only or KINDS if kind not in without)
    settings = Settings(
        seed=secrets.randbelow(10**6) if seed is None else seed,
        count=count,
        kinds=kinds,
        minutes=minutes or DEFAULT_MINUTES * max(1.0, count / DEFAULT_COUNT),
        per_second=per_second,
        recovery_seconds=recovery_seconds,
        out=out,
        session=session,
    )
    if count < len(kinds):
        raise click.UsageError(f"{len(kinds)} kinds need at least as many faults")
    click.echo(f"[faults] seed {settings.seed}: {count} faults of {len(kinds)} kinds")
    if dry_run:
        show_schedule(settings)
        return
    if "full_disk" in kinds:
        enter()
    # That what was killed is started again is no news here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    codes: list[int] = []
    try:
        run(lambda: _rehearse_into(codes, settings))
    except (InstallationError, SeedingFailed, OSError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(codes[0] if codes else EXIT_CODES[INCONCLUSIVE])


def show_schedule(settings: Settings) -> None:
    """A line a fault; those that come together are marked."""
    number = 0
    for group in grouped(settings.faults(), settings.seed):
        for place, fault in enumerate(group):
            number += 1
            mark = "+" if place else " "
            click.echo(f"{number:4}{mark} {fault.kind:22} {fault.victim:22} {fault.seconds:4.1f} s")


async def _rehearse_into(codes: list[int], settings: Settings) -> None:
    codes.append(await rehearse(settings, progress("faults")))
