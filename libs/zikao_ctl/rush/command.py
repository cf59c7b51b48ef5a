"""`zikao rush`: what the command does, apart from its options."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from zikao_kit.files import write_whole

from zikao_ctl.installation import run_installation
from zikao_ctl.layout import Layout
from zikao_ctl.rush.elsewhere import Target, run_target
from zikao_ctl.rush.opening import Terms
from zikao_ctl.rush.people import Candidate, make_candidates, plan_sha256
from zikao_ctl.rush.preparing import rehearsed_session
from zikao_ctl.rush.records import Live, ObjectiveResult, Report
from zikao_ctl.rush.report.page import write_page
from zikao_ctl.rush.running import run_rush
from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.session_file import load_session_file
from zikao_ctl.up import progress

REPORT_FILE = "report.json"
_PARTS = 20
_FIRST = 5


async def rush(folder: Path, scenario: Scenario, seed: int) -> Report:
    """Rehearse on an installation of its own in `folder`, and write the report there.

    Raises InstallationError, SeedingFailed, GeneratorDied.
    """
    say = progress("rush")
    layout = Layout(folder / "installation")
    async with run_installation(layout, port_base=None, reset=True, say=say) as installation:
        report = await run_rush(
            installation, scenario, seed=seed, folder=folder, say=say, show=_lines(say)
        )
    write_report(report, folder)
    return report


async def rush_target(folder: Path, scenario: Scenario, seed: int, target: Target) -> Report:
    """Rehearse against a deployment. Raises CallFailed, GeneratorDied."""
    say = progress("rush")
    report = await run_target(target, scenario, Terms(seed, folder, say, _lines(say)))
    write_report(report, folder)
    return report


def write_report(report: Report, folder: Path) -> None:
    """report.json and report.html in the folder."""
    write_whole(folder / REPORT_FILE, json.dumps(report, ensure_ascii=False, indent=1))
    write_page(folder, report)


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


def _lines(say: Callable[[str], None]) -> Callable[[Live], None]:
    """A line every two seconds."""
    last = [-1e9]

    def show(live: Live) -> None:
        if live["phase"] and live["at"] - last[0] >= 2:
            last[0] = live["at"]
            say(
                f"{live['phase']:8} {live['at']:6.1f}  offered {live['offered']:6.0f}"
                f"  sent {live['sent']:6.0f}  answered {live['accepted']:6.0f}"
                f"  shed {live['shed']:6.0f}  waiting {live['waiting']:6}"
                f"  p99 {live['submit_p99_ms']:5.0f} ms  booked {live['booked']}"
            )

    return show
