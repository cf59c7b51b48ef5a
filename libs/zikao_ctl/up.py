"""`zikao up`: run an installation until told to stop, and say how to call it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
from zikao_kit.config import CertFiles

from zikao_ctl.installation import OPERATOR, Installation, Targets, run_installation
from zikao_ctl.layout import DEFAULT_DATA, Layout
from zikao_ctl.ports import HOST
from zikao_ctl.programs import PARTS

TIMETABLE_CALL = (
    """-max-time 5 -d '{{"session_code":"22.1"}}' {} """
    "zikao.enrollment.v1.EnrollmentService/GetTimetable"
)


async def up(
    layout: Layout, *, port_base: int, database_url: str | None = None, reset: bool = False
) -> None:
    """Run until cancelled. Raises InstallationError."""
    say = progress("up")
    running = run_installation(
        layout, port_base=port_base, database_url=database_url, reset=reset, say=say
    )
    async with running as installation:
        say("everything is serving; Ctrl-C stops it")
        click.echo(f"\n{describe(installation)}\n")
        try:
            await asyncio.Event().wait()
        finally:
            say("stopping")


def progress(command: str) -> Callable[[str], None]:
    """Say what is being done and after how many seconds, a line each."""
    started = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"[{command}] {time.monotonic() - started:5.1f} s  {text}")

    return say


def describe(installation: Installation) -> str:
    """Where everything is, and commands to paste."""
    lines = [_endpoint(part.name, installation.ports) for part in PARTS]
    target = installation.targets.enrollment
    flags = f"grpcurl {_flags(installation.certificate(OPERATOR))}"
    call = f"{flags} {target}"
    return "\n".join(
        [
            *lines,
            f'databases     psql "$(cat {_short(installation.layout.secrets)}/enrollment.dsn)"',
            f"logs          {_short(installation.layout.logs)}/",
            f"mails         {_short(installation.layout.mails)}/",
            f"SMS           https://{HOST}:{installation.ports['sms']}/v1/messages",
            f"identities    https://{HOST}:{installation.ports['identity']}",
            "",
            "Reflection is on. What enrollment offers, and whether it serves:",
            f"  {call} list",
            f"  {call} grpc.health.v1.Health/Check",
            "A session to begin with, and a call (every one says how long it waits):",
            f"  {_apply(installation)}",
            f"  {flags} {TIMETABLE_CALL.format(target)}",
        ]
    )


def _endpoint(name: str, ports: dict[str, int]) -> str:
    metrics = f"http://{HOST}:{ports[f'{name}-metrics']}/metrics"
    return f"{name:13} {HOST}:{ports[name]}   {metrics}"


def _flags(files: CertFiles) -> str:
    cert, key = _short(files.cert_file), _short(files.key_file)
    return f"-cacert {_short(files.ca_file)} -cert {cert} -key {key}"


def _apply(installation: Installation) -> str:
    """With what `zikao apply` cannot guess."""
    targets, certs = installation.targets, _short(installation.layout.certs)
    words = [f"{_short(Path(sys.argv[0]).absolute())} apply examples/sichuan-22.1.yaml"]
    if certs != DEFAULT_DATA / "certs":
        words.append(f"--certs {certs}")
    for name in ("registration", "enrollment", "tickets"):
        if (target := getattr(targets, name)) != getattr(Targets(), name):
            words.append(f"--{name} {target}")
    return " ".join(words)


def _short(path: Path) -> Path:
    """The path as one would type it here."""
    here = Path.cwd()
    return Path(os.path.relpath(path, here)) if path.is_relative_to(here) else path
