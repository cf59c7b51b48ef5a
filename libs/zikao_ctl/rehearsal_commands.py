"""Commands that rehearse at full load: `zikao rush`."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import click
from zikao_client import CallFailed
from zikao_kit.server import run

from zikao_ctl.apply_session import ApplyRefused
from zikao_ctl.csv_table import TableError
from zikao_ctl.faults.disk import enter
from zikao_ctl.installation import Targets, certificate_of
from zikao_ctl.layout import InstallationError
from zikao_ctl.options import FILE, FOLDER, certs_option, target_option
from zikao_ctl.rush.command import OUT, describe, print_plan, rush, rush_target
from zikao_ctl.rush.elsewhere import Target, read_accounts
from zikao_ctl.rush.generators import GeneratorDied
from zikao_ctl.rush.k6_plan import write_k6_plan
from zikao_ctl.rush.records import Report
from zikao_ctl.rush.report.others import read_others
from zikao_ctl.rush.report.page import read_report, write_page
from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.rush.seeding import SeedingFailed
from zikao_ctl.rush.submissions import CALLER
from zikao_ctl.rush.verdict import EXIT_CODES
from zikao_ctl.session_reading import SessionFileError

DEFAULT_SCENARIO = Path("examples/rush/opening.yaml")
DEFAULT_REPORT = Path("out/rush")
DEFAULT_SEED = 900
_REFUSED = InstallationError, SessionFileError, ApplyRefused, TableError, OSError, ValueError
# Of any address: one of this machine, too, may be a tunnel to a system in use.
_NOT_YOURS = "who operates {} says so by --i-operate-this-deployment"


@click.group(
    "rush",
    invoke_without_command=True,
    short_help="Rehearse an opening at full load, with a verdict.",
)
@click.option(
    "--scenario",
    "scenario_file",
    type=FILE,
    default=DEFAULT_SCENARIO,
    show_default=True,
    help="What the opening is like.",
)
@click.option(
    "--seed",
    type=int,
    default=DEFAULT_SEED,
    show_default=True,
    help="The same seed makes the same people come, with the same wishes.",
)
@click.option(
    "--scale",
    type=click.FloatRange(0, 100, min_open=True),
    default=1.0,
    show_default=True,
    help="So many times the scenario's candidates, and seats.",
)
@click.option(
    "--duration",
    type=click.FloatRange(1, 3600),
    help="The load lasts at most so many seconds; on a slow machine fewer come then.",
)
@click.option(
    "--load-factor",
    type=click.FloatRange(0, 100, min_open=True),
    help="Highest rate of those who come, in units of what the machine can answer.",
)
@click.option(
    "--faults",
    "fault_every_seconds",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Break something every so many seconds of the opening (docs/faults.md).",
)
@click.option(
    "--report",
    "folder",
    type=FOLDER,
    default=DEFAULT_REPORT,
    show_default=True,
    help="Where it writes; the installation is in a folder of it, and made anew.",
)
@click.option(
    "--target",
    metavar="[NAME@]HOST:PORT",
    help="Put this enrollment service under load, instead of an installation of one's own.",
)
@target_option("registration", Targets.registration)
@certs_option
@click.option("--people", type=FILE, help="CSV of the target's test candidates.")
@click.option(
    "--peak",
    type=click.FloatRange(0, min_open=True),
    help="Submissions a second that the target is said to bear.",
)
@click.option(
    "--i-operate-this-deployment",
    "operated_by_caller",
    is_flag=True,
    help="Say that the --target is yours to put under load; it is needed for each.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and its sum; start nothing.")
@click.option(
    "--k6",
    "k6_folder",
    type=FOLDER,
    help="Write the plan for tests/load/opening.js into this folder; start nothing.",
)
@click.pass_context
def rush_command(
    context: click.Context,
    *,
    scenario_file: Path,
    seed: int,
    scale: float,
    duration: float | None,
    load_factor: float | None,
    fault_every_seconds: float | None,
    folder: Path,
    target: str | None,
    registration: str,
    certs: Path,
    people: Path | None,
    peak: float | None,
    operated_by_caller: bool,
    dry_run: bool,
    k6_folder: Path | None,
) -> None:
    """Rehearse an opening at full load on this machine, and judge it.

    Finds what the machine can answer, has that many times more come at the opening, and compares
    at the end everything that candidates were told with what is stored. Writes report.html for
    people, and report.json. Exit 0 for PASS, 1 for FAIL, 3 for INCONCLUSIVE: then the measurement
    is not to be trusted.

    With --target it takes seats for the candidates of --people (login_name and password, or
    access_token, one a line) in the session that the scenario names, which must be open there.
    Nobody pays; what was acknowledged is compared with the orders that candidates then see, and
    the seats are given back.
    """
    if context.invoked_subcommand:
        return
    try:
        scenario = _scenario(scenario_file, scale, duration, load_factor)
        if k6_folder is not None:
            click.echo(f"wrote {write_k6_plan(scenario, seed, k6_folder)}")
            return
        if dry_run:
            print_plan(scenario, seed)
            return
        folder.mkdir(parents=True, exist_ok=True)
        if target is None:
            report = _run_here(folder, scenario, seed, fault_every_seconds)
        elif fault_every_seconds is not None:
            raise click.UsageError("--faults break an installation of one's own, no --target")
        else:
            if not operated_by_caller:
                raise click.UsageError(_NOT_YOURS.format(target))
            there = _target(target, registration, certs, people, peak)
            report = _run(lambda: rush_target(folder, scenario, seed, there))
    except _REFUSED as error:
        raise click.ClickException(str(error)) from error
    except (SeedingFailed, GeneratorDied, CallFailed) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from error
    click.echo(describe(report))
    click.echo(f"see {folder}/report.html and report.json")
    sys.exit(EXIT_CODES[report["verdict"]])


def _run_here(
    folder: Path, scenario: Scenario, seed: int, fault_every_seconds: float | None
) -> Report:
    if fault_every_seconds is not None:
        enter()  # for a disk that can be filled: this process begins anew
    return _run(lambda: rush(folder, scenario, seed, fault_every_seconds))


def _run(rehearse: Callable[[], Awaitable[Report]]) -> Report:
    reports: list[Report] = []

    async def work() -> None:
        reports.append(await rehearse())

    run(work)
    if not reports:
        raise click.Abort
    return reports[0]


def _target(
    enrollment: str, registration: str, certs: Path, people: Path | None, peak: float | None
) -> Target:
    if people is None or peak is None:
        raise click.UsageError("--target needs --people and --peak")
    files = certificate_of(certs, CALLER)
    return Target(enrollment, registration, files, read_accounts(people), peak)


@rush_command.command("report", short_help="Make report.html anew from FOLDER's report.json.")
@click.argument("folder", type=FOLDER, default=DEFAULT_REPORT)
def report_command(folder: Path) -> None:
    """Make report.html anew from the report.json of FOLDER (out/rush).

    It shows also what `make faults` and `make mutation` have found since.
    """
    try:
        file = write_page(folder, read_report(folder), read_others(OUT))
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"see {file}")


def _scenario(
    file: Path, scale: float, duration: float | None, load_factor: float | None
) -> Scenario:
    scenario = Scenario.load(file).scaled(scale)
    if duration is not None:
        scenario = replace(scenario, longest_opening_seconds=duration)
    if load_factor is not None:
        scenario = replace(scenario, load_factor=load_factor)
    return scenario
