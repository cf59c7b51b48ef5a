"""`zikao arrange`: rooms and seats of many counties, from the start to the publication."""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table
from zikao.tickets.v1 import arrangement_operation_service_pb2 as operations
from zikao.tickets.v1 import arrangement_service_pb2 as arrangements
from zikao.tickets.v1 import office_service_pb2 as offices

from zikao_ctl.arrange_calls import Arranging, OnLook
from zikao_ctl.arrange_verify import ArrangementFileError, read_arrangement, verify_arrangement
from zikao_ctl.export_files import export_bar
from zikao_ctl.office_calls import office_options, run_calls, session_option
from zikao_ctl.options import FILE, F
from zikao_ctl.proposing import propose_once

DIFFERS = 3
"""Exit code of a verification that found something, and of an operation with failed counties."""

PATIENCE_MINUTES = 10.0

T = TypeVar("T")
_Arrangement = arrangements.Arrangement
_SHA256 = re.compile("[0-9a-fA-F]{64}")
_STATE, _REASON = "ARRANGEMENT_STATE_", "SITE_GAP_REASON_"


def _area(command: F) -> F:
    option = click.option("--county", default="", help="Code of a county, city or province.")
    return session_option(option(command))


@click.group(
    short_help="Arrange rooms and seats of counties, and publish.", invoke_without_command=True
)
@click.option("--verify", type=FILE, help="Draw an exported arrangement again, and compare.")
@click.option("--seed-sha256", metavar="HEX", default="", help="Published before the draw.")
@click.option("--solve", is_flag=True, help="With --verify: look for fewer rooms again, too.")
@click.pass_context
def arrange(context: click.Context, verify: Path | None, seed_sha256: str, *, solve: bool) -> None:
    """Arrange rooms and seats of counties, and publish them.

    --verify needs nothing but a file of `zikao arrange export` of a published arrangement, and
    --seed-sha256, which was published before (`zikao arrange list` shows it): the seed must fit it,
    the seats must be those that it draws, and that fewer rooms do not suffice must be proven.
    """
    if verify is not None:
        if seed_sha256 and not _SHA256.fullmatch(seed_sha256):
            raise click.UsageError("--seed-sha256: 64 digits and letters from a to f")
        _verify(verify, seed_sha256.lower(), solve=solve)
    elif context.invoked_subcommand is None:
        click.echo(context.get_help())


def _verify(file: Path, seed_sha256: str, *, solve: bool) -> None:
    try:
        exported = read_arrangement(file)
        found = verify_arrangement(exported, published_sha256=seed_sha256, solve=solve)
    except ArrangementFileError as error:
        raise click.ClickException(str(error)) from error
    for problem in found.problems:
        click.echo(f"WRONG: {problem}")
    for claim in found.unproven:
        click.echo(f"NOT PROVEN: {claim}")
    if found.problems:
        sys.exit(DIFFERS)
    least = "" if found.rooms_bound is None else f", at least {found.rooms_bound} are needed"
    click.echo(f"{found.seats} seats are as they are drawn; {found.rooms} rooms{least}")


@arrange.command("start")
@_area
@click.option("--anew", is_flag=True, help="Keep nothing of what is published.")
@click.option("--dry-run", is_flag=True, help="Say only which counties would be started.")
@click.option("--watch/--no-watch", default=True, show_default=True, help="Show it to its end.")
@office_options
def start_command(
    *, session_code: str, county: str, anew: bool, dry_run: bool, watch: bool, **where: Any
) -> None:
    """Start every county in which somebody sits and none is in progress, and watch."""

    async def work(calls: Arranging) -> operations.StartArrangementsResponse:
        return await calls.start(session_code, county, anew=anew, dry_run=dry_run)

    started = _run(work, where)
    busy = f", {len(started.in_progress)} are in progress" if started.in_progress else ""
    if dry_run:
        click.echo(f"{len(started.county_codes)} counties would be started{busy}")
        return
    click.echo(f"operation {started.operation_id}: {len(started.county_codes)} counties{busy}")
    if watch:
        _watch(started.operation_id, where)


@arrange.command("watch")
@click.argument("operation_id")
@office_options
def watch_command(*, operation_id: str, **where: Any) -> None:
    """Show how an operation goes, until its end."""
    _watch(operation_id, where)


@arrange.command("cancel")
@click.argument("operation_id", default="")
@click.option("--arrangement", "arrangement_id", default="", help="One county's instead.")
@office_options
def cancel_command(*, operation_id: str, arrangement_id: str, **where: Any) -> None:
    """End what is in progress of an operation; counties that are done stay so."""
    if bool(operation_id) == bool(arrangement_id):
        raise click.UsageError("OPERATION_ID or --arrangement")

    async def work(calls: Arranging) -> operations.CancelArrangementsResponse:
        return await calls.cancel(operation_id, arrangement_id)

    ended = _run(work, where)
    click.echo(f"{ended.cancelled} cancelled, {ended.ending} about to end")


@arrange.command("publish")
@_area
@click.option("--dry-run", is_flag=True, help="Say only what would be published.")
@click.option(
    "--above-bound",
    is_flag=True,
    help="Also counties with more rooms than are proven to be needed (rooms of several sizes).",
)
@click.option(
    "--patience",
    "patience_minutes",
    metavar="MINUTES",
    type=click.FloatRange(0),
    default=PATIENCE_MINUTES,
    show_default=True,
    help="Wait no longer when no county more has been published for so long.",
)
@office_options
def publish_command(
    *,
    session_code: str,
    county: str,
    dry_run: bool,
    above_bound: bool,
    patience_minutes: float,
    **where: Any,
) -> None:
    """Publish what is done in --county, or propose it to a second officer; needs --token-file.

    What waits for a second officer already is not proposed again. Exit 3 when a county was not
    published, or not yet: the service goes on also when this ends.
    """

    async def work(calls: Arranging) -> tuple[offices.OfficeAction, list[_Arrangement]]:
        async def propose(dry: bool) -> offices.OfficeAction:
            return await calls.publish(session_code, county, above_bound=above_bound, dry_run=dry)

        action = await propose_once(calls, propose, dry_run=dry_run)
        if dry_run or action.state == offices.OFFICE_ACTION_STATE_PENDING:
            return action, []
        with export_bar("发布") as show:
            return action, await calls.until_published(action, patience_minutes * 60, show)

    action, found = _run(work, where)
    counties = len(action.act.publish_arrangements.arrangements)
    waits = action.state == offices.OFFICE_ACTION_STATE_PENDING
    if waits and action.action_id:
        click.echo(f"{counties} counties wait for a second officer: act {action.action_id}")
    elif dry_run:
        second = ", by a second officer" if waits else ""
        click.echo(f"{counties} counties would be published{second}")
    else:
        _tell_published(found)


def _tell_published(found: Sequence[_Arrangement]) -> None:
    states = [each.state for each in found]
    click.echo(f"{states.count(arrangements.ARRANGEMENT_STATE_PUBLISHED)} counties are published")
    if left := states.count(arrangements.ARRANGEMENT_STATE_APPROVED):
        click.echo(f"{left} are still to be: zikao arrange list shows when they are")
    _tell_failures(found)
    if left:
        sys.exit(DIFFERS)


@arrange.command("list")
@_area
@click.option("--gaps", is_flag=True, help="Only those with more than is proven to be needed.")
@office_options
def list_command(*, session_code: str, county: str, gaps: bool, **where: Any) -> None:
    """Show arrangements with their proofs, the newest of a county first."""
    found = _run(lambda calls: calls.list(session_code, county, gaps=gaps), where)
    table = Table("county", "state", "sittings", "rooms", "packs", "site changes", "why", "id")
    for each in found:
        table.add_row(
            each.county_code,
            arrangements.ArrangementState.Name(each.state).removeprefix(_STATE).lower(),
            str(each.sittings),
            _of_bound(each.fewest_rooms),
            _of_bound(each.packs),
            _of_bound(each.site_changes),
            each.failure
            or arrangements.SiteGapReason.Name(each.gap_reason)
            .removeprefix(_REASON)
            .lower()
            .replace("unspecified", ""),
            each.arrangement_id,
        )
    Console().print(table)
    # Whole, and each on a line of its own: offices publish them before the draw.
    for each in found:
        click.echo(
            f"{each.county_code} {each.arrangement_id} "
            f"SHA-256 of the seed: {each.seed_sha256.hex()}"
        )


@arrange.command("export")
@click.argument("arrangement_id")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Where it is written, as lines of JSON.",
)
@office_options
def export_command(*, arrangement_id: str, out: Path, **where: Any) -> None:
    """Write plan, proofs, seed and seats of an arrangement, from which --verify draws again.

    The same command again goes on where the last one ended, however that was. Candidates are in it
    by their id.
    """
    with export_bar() as show:
        seats = _run(lambda calls: calls.export(arrangement_id, out, show), where)
    click.echo(f"{out}: {seats} seats")


def _watch(operation_id: str, where: Any) -> None:
    known: dict[str, arrangements.Arrangement] = {}
    with _operation_bar() as draw:

        def show(look: operations.WatchArrangementsResponse) -> None:
            known.update({each.county_code: each for each in look.arrangements})
            draw(look)

        async def work(calls: Arranging) -> None:
            await calls.watch(operation_id, show)

        _run(work, where)
    _tell_failures(list(known.values()))


@contextmanager
def _operation_bar() -> Iterator[OnLook]:
    """Show on a terminal how many counties have ended, and what they come to."""
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as bar:
        task = bar.add_task("编排", total=None)

        def show(look: operations.WatchArrangementsResponse) -> None:
            totals = look.totals
            bar.update(
                task,
                completed=totals.ended,
                total=totals.arrangements,
                description=f"编排 考场{totals.rooms}（至少{totals.rooms_bound}） "
                f"换考点{totals.site_changes}（至少{totals.site_changes_bound}）",
            )

        yield show


def _tell_failures(found: Sequence[arrangements.Arrangement]) -> None:
    failed = [each for each in found if each.failure]
    for each in failed:
        click.echo(f"{each.county_code}: {each.failure}")
    if failed:
        sys.exit(DIFFERS)


def _of_bound(proven: arrangements.Proven) -> str:
    return (
        str(proven.count) if proven.count <= proven.bound else f"{proven.count} (≥ {proven.bound})"
    )


def _run(work: Callable[[Arranging], Awaitable[T]], where: Any) -> T:
    return run_calls(Arranging, work, where)
