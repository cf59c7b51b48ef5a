"""The commands `zikao fetch-verification` and `zikao verify-ticket`."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from zikao.tickets.v1 import verification_service_pb2 as pb
from zikao.tickets.v1 import verification_service_pb2_grpc as pb_grpc
from zikao_client import CallFailed, patiently
from zikao_client.scanner import Door, Scanner, TicketRefused, describe_proof
from zikao_client.scanner_trust import TrustError, first_trust, read_trust
from zikao_kit.files import write_whole

from zikao_ctl.installation import OPERATOR, Targets, certificate_of, open_operator_channel
from zikao_ctl.options import FILE, FOLDER, certs_option, target_option

LIST_FILE = "verification.zkr"
TRUST_FILE = "trust.json"


@click.command("fetch-verification", short_help="Fetch what a scanner needs offline.")
@click.option("--session", "session_code", required=True, help="Code of the session, e.g. 22.1.")
@click.option("--out", type=FOLDER, required=True, help="Folder of the scanner's files.")
@target_option("tickets", Targets.tickets)
@certs_option
def fetch_verification_command(*, session_code: str, out: Path, tickets: str, certs: Path) -> None:
    """Write the session's signed list, and trust.json where there is none yet."""

    async def fetch() -> int:
        files = certificate_of(certs, OPERATOR)
        async with open_operator_channel(tickets, files) as channel:
            stub = pb_grpc.VerificationServiceStub(channel)
            return await fetch_verification(stub, session_code, out)

    try:
        out.mkdir(parents=True, exist_ok=True)
        number = asyncio.run(fetch())
    except (CallFailed, TrustError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{out / LIST_FILE}: list {number}")


async def fetch_verification(stub: Any, session_code: str, out: Path) -> int:
    """Write the signed list, and first what a new scanner trusts; the list's number.

    `stub` is of VerificationService.
    """
    if not (out / TRUST_FILE).exists():
        ask_data = pb.GetVerificationDataRequest(session_code=session_code)
        data = await patiently(lambda: stub.GetVerificationData(ask_data))
        first_trust(data).write(out / TRUST_FILE)
    ask = pb.GetVerificationFileRequest(session_code=session_code)
    answer = await patiently(lambda: stub.GetVerificationFile(ask))
    # Another process of the service may still have the list of a second ago.
    trust = read_trust(out / TRUST_FILE)
    last = trust.lists.get(session_code, 0)
    if answer.list_number >= last and answer.key_epoch >= trust.key_epoch:
        write_whole(out / LIST_FILE, answer.file)
    return max(int(answer.list_number), last)


@click.command("verify-ticket", short_help="Verify a ticket's QR code offline.")
@click.argument("text")
@click.option("--data", type=FILE, required=True, help="The session's signed list, a .zkr file.")
@click.option(
    "--trust",
    type=FILE,
    required=True,
    help="trust.json of the scanner: the keys it trusts and the lists it has taken.",
)
@click.option("--at", metavar="SITE[/ROOM]", default="", help="Where is scanned; needs --slot.")
@click.option("--slot", type=click.IntRange(1, 255), help="Which slot is examined; needs --at.")
def verify_ticket_command(text: str, *, data: Path, trust: Path, at: str, slot: int | None) -> None:
    """Verify the TEXT of a ticket's QR code offline; exit 0 only for a valid ticket.

    The list must be signed with a key that the scanner trusts, and be no older than the last; from
    then on the scanner trusts the keys in it. Needs no network and no database.
    """
    if bool(at) != (slot is not None):
        raise click.UsageError("--at and --slot go together")
    site, _, room = at.partition("/")
    door = Door(slot, site, room) if slot is not None else None
    try:
        scanner = Scanner.load(data, trust)
        click.echo(describe_proof(scanner.verify(text, door)))
        click.echo(scanner.describe(datetime.now(UTC)))
    except TicketRefused as refused:
        click.echo(f"无效：{refused}")
        sys.exit(1)
    except (TrustError, OSError) as error:
        raise click.ClickException(str(error)) from error
