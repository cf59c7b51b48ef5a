"""`zikao rush`: what the command does, apart from its options."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from zikao_kit.files import write_whole

from zikao_ctl.faults.disk import SmallDisk
from zikao_ctl.installation import Shape, run_installation
from zikao_ctl.layout import Layout
from zikao_ctl.rush.display import Display
from zikao_ctl.rush.elsewhere import Target, run_target
from zikao_ctl.rush.opening import Terms
from zikao_ctl.rush.people import Candidate, make_candidates, plan_sha256
from zikao_ctl.rush.preparing import rehearsed_session
from zikao_ctl.rush.records import ObjectiveResult, Report
from zikao_ctl.rush.report.numbers import people
from zikao_ctl.rush.report.others import read_others
from zikao_ctl.rush.report.page import REPORT_FILE, write_page
from zikao_ctl.rush.running import run_rush
from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.session_file import load_session_file
from zikao_ctl.supervisor import QUICK

OUT = Path("out")
"""Where `make faults` and `make mutation` write what the page shows of them."""
FAULTY = Shape(enrollments=2, proxy=True, patience=QUICK)
"""Of an installation that is broken: fewer calls a second are had of it."""
# A hundred thousand candidates and what they do, and the log of it.
DISK_MIB = 3072
_PARTS = 20
_FIRST = 5


async def rush(
    folder: Path, scenario: Scenario, seed: int, fault_every_seconds: float | None = None
) -> Report:
    """Rehearse on an installation of its own in `folder`, and write the report there.

    `fault_every_seconds`: one fault in so many, None for none. Raises InstallationError,
    SeedingFailed, GeneratorDied.
    """
    disk, shape = None, Shape()
    if fault_every_seconds is not None:
        disk, shape = SmallDisk.mount(folder / "disk", DISK_MIB), FAULTY
    layout = Layout(folder / "installation", postgres=disk.folder / "postgres" if disk else None)
    with _display(scenario) as display:
        say = display.say
        async with run_installation(
            layout, port_base=None, reset=True, say=say, shape=shape
        ) as installation:
            report = await run_rush(
                installation,
                scenario,
                seed=seed,
                folder=folder,
                say=say,
                show=display.show,
                fault_every_seconds=fault_every_seconds,
                disk=disk,
            )
    write_report(report, folder)
    return report


async def rush_target(folder: Path, scenario: Scenario, seed: int, target: Target) -> Report:
    """Rehearse against a deployment. Raises CallFailed, GeneratorDied."""
    with _display(scenario) as display:
        terms = Terms(seed, folder, display.say, display.show)
        report = await run_target(target, scenario, terms)
    write_report(report, folder)
    return report


def _display(scenario: Scenario) -> Display:
    candidates = people(scenario.candidates)
    return Display(Console(), title=f"自考报名开放演练　{scenario.name}　{candidates}名考生")


def write_report(report: Report, folder: Path) -> None:
    """report.json and report.html in the folder."""
    write_whole(folder / REPORT_FILE, json.dumps(report, ensure_ascii=False, indent=1))
    write_page(folder, report, read_others(OUT))


def describe(report: Report) -> str:
    """The verdict and its objectives, for a terminal."""
    marks = {True: "PASS", False: "FAIL", None: "?"}
    lines = [
        f"{marks[each['passed']]:5} {each['title_zh']}：{_value(each)} {each['op']} {each['limit']}"
        for each in report["objectives"]
    ]
    return "\n".join([*lines, *report["inconclusive_because"], "", f"{report['verdict']}"])


def _value(objective: ObjectiveResult) -> str:
    return "—" if objective["value"] is None else f"{objective['value']:.4g}"


def print_plan(scenario: Scenario, seed: int) -> None:
    """Who comes when and wants what, and the plan's sum; nothing is started."""
    session = rehearsed_session(scenario, load_session_file(scenario.session))
    people = list(make_candidates(scenario, session, seed))
    names = {county.code: county.name for county in session.counties}
    click.echo(f"scenario {scenario.name}, seed {seed}: {len(people)} candidates of {session.code}")
    click.echo(f"plan sha256 {plan_sha256(people)}")
    click.echo("\narrivals by part of the opening:")
    for part, count in sorted(Counter(int(each.arrives * _PARTS) for each in people).items()):
        click.echo(f"  {part / _PARTS:4.0%} - {(part + 1) / _PARTS:4.0%}  {count:8}")
    wanted = Counter(each.county_codes[0] for each in people).most_common(_FIRST)
    for title, counts in (
        ("most wanted counties", [(names[code], count) for code, count in wanted]),
        ("ways", Counter(each.way for each in people).most_common()),
        ("payers", Counter(each.pays for each in people if each.pays).most_common()),
        ("courses", sorted(Counter(len(each.course_codes) for each in people).items())),
    ):
        click.echo(f"\n{title}: " + ", ".join(f"{name} {count}" for name, count in counts))
    click.echo(f"\nthe first {_FIRST}:")
    _print_people(people[:_FIRST])


def _print_people(people: Sequence[Candidate]) -> None:
    for each in people:
        wishes = f"{'、'.join(each.course_codes)} in {' or '.join(each.county_codes)}"
        click.echo(f"  {each.arrives:.6f} {each.candidate_id} {each.way}: {wishes}")
