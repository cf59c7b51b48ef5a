"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
from zikao_kit.server_names import server_at

from zikao_ctl.layout import DEFAULT_DATA

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
ROWS_REFUSED = 3
"""Exit code of an import some of whose rows were refused."""

F = TypeVar("F", bound=Callable[..., None])


def target_option(service: str, default: str) -> Callable[[F], F]:
    """Where a service listens: the command is given it with the name that is asked for there."""
    return click.option(
        f"--{service}",
        metavar="[NAME@]HOST:PORT",
        default=default,
        show_default=True,
        callback=lambda _context, _option, given: server_at(given, service).address,
        help=f"Where {service} listens; NAME is in its certificate, by default HOST, or {service} "
        "at IP addresses and localhost.",
    )


certs_option = click.option(
    "--certs",
    type=FOLDER,
    default=DEFAULT_DATA / "certs",
    show_default=True,
    help="Folder with operator.pem, operator.key and ca.pem.",
)
caller_option = click.option(
    "--caller",
    metavar="NAME",
    default="operator",
    show_default=True,
    help="Whose certificate of --certs it is. The operator's makes accounts of officers: give "
    "officers another, e.g. office.",
)
report_option = click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where refused rows are written as CSV.  [default: FILE with .problems.csv]",
)
