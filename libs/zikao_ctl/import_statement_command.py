"""`zikao import-statement`: the payment platform's statement of a day from a CSV file."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from rich.progress import MofNCompleteColumn, Progress

from zikao_ctl.csv_table import TableError
from zikao_ctl.import_statement import ImportedStatement, StatementImport
from zikao_ctl.installation import OPERATOR, Targets, certificate_of
from zikao_ctl.long_import import ImportFailed, write_problems
from zikao_ctl.options import FILE, ROWS_REFUSED, certs_option, report_option, target_option
from zikao_ctl.statement_file import CheckedStatement, StatementFile


@click.command("import-statement", short_help="Bring a day's statement from a CSV FILE.")
@click.argument("file", type=FILE)
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    help="The day that it states.",
)
@click.option("--replace", is_flag=True, help="Take the place of another file of the day.")
@click.option("--dry-run", is_flag=True, help="Check every line, and enter nothing.")
@click.option(
    "--time-zone",
    default="Asia/Shanghai",
    show_default=True,
    help="Of times in FILE that have no offset.",
)
@report_option
@target_option("enrollment", Targets.enrollment)
@certs_option
def import_statement_command(
    *,
    file: Path,
    day: datetime,
    replace: bool,
    dry_run: bool,
    time_zone: str,
    report: Path | None,
    enrollment: str,
    certs: Path,
) -> None:
    """Bring a day's statement of the payment platform from a CSV FILE (UTF-8 or GB 18030).

    Columns, also by their Chinese names: kind (缴款 or 退款), payment_id, order_id, amount (yuan),
    time; and, if wanted, refund_id and payment_code. The statement counts as a whole: with one bad
    line nothing is entered, all of them are in the report, and the exit code is 3. The same file
    again changes nothing; another one for the day needs --replace. It counts until the platform has
    told its own statement. Ends when it has been compared.
    """
    try:
        source = StatementFile(file, ZoneInfo(time_zone))
        checked = source.check()
        imported = ImportedStatement(problems=checked.problems)
        if not checked.problems:
            wanted = StatementImport(source, checked, day.date(), replace=replace, dry_run=dry_run)
            imported = _run(wanted, checked, enrollment, certs)
        report = report or file.with_suffix(".problems.csv")
        write_problems(imported.problems, report)
    except ZoneInfoNotFoundError as error:
        raise click.ClickException(f"--time-zone: there is none named {time_zone!r}") from error
    except (TableError, ImportFailed, OSError) as error:
        raise click.ClickException(str(error)) from error
    if imported.problems:
        click.echo(f"nothing counts; refused {len(imported.problems)}: {report}")
        sys.exit(ROWS_REFUSED)
    click.echo(_describe(imported, checked))


def _run(
    wanted: StatementImport, checked: CheckedStatement, target: str, certs: Path
) -> ImportedStatement:
    total = checked.totals.payments + checked.totals.refunds
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as bar:
        task = bar.add_task("导入", total=total)

        def show(done: int) -> None:
            bar.update(task, completed=min(done, total))

        def say(text: str) -> None:
            bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

        return asyncio.run(wanted.run(target, certificate_of(certs, OPERATOR), show, say))


def _describe(imported: ImportedStatement, checked: CheckedStatement) -> str:
    statement, totals = imported.statement, checked.totals
    lines = f"{totals.payments} payments, {totals.refunds} refunds"
    if statement is None:
        return f"nothing was entered: {lines} could be"
    matched = statement.matched.payments + statement.matched.refunds
    return (
        f"{lines}: matched {matched}, differences {statement.differences}, "
        f"open {statement.open_differences}"
    )
