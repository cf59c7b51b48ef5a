"""A scanner at an exam site: verifies tickets without a network, and brings its scans in later.

    scanner.py fetch  --session 22.1 FOLDER                      in the office, with a network
    scanner.py check  --slot 1 --site S1 --room 001 FOLDER TEXT  at the door, without one
    scanner.py upload FOLDER                                     in the evening

FOLDER holds what the scanner trusts (trust.json), the list of keys and revoked tickets that it has
taken last (verification.zkr), and its scans (scans.jsonl).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

from connecting import client, clock, parser
from google.protobuf.json_format import MessageToDict, ParseDict
from zikao.tickets.v1 import door_service_pb2 as door
from zikao.tickets.v1 import verification_service_pb2 as verification
from zikao_client import patiently
from zikao_client.scanner import Door, Scanner, TicketRefused, describe_proof, first_trust

LIST, TRUST, SCANS = "verification.zkr", "trust.json", "scans.jsonl"
AT_ONCE = 500  # most in one message, by the contract
UPLOAD_SECONDS = 300.0


async def fetch(asked: argparse.Namespace) -> int:
    """Get the newest list; the first time also the keys that lists are signed with."""
    folder: Path = asked.folder
    async with client(asked, "scanner") as zikao:
        if not (folder / TRUST).exists():
            # Believed because the connection proves who is there; later lists prove themselves.
            first = verification.GetVerificationDataRequest(session_code=asked.session)
            data = await patiently(lambda: zikao.verification.GetVerificationData(first))
            first_trust(data).write(folder / TRUST)
        request = verification.GetVerificationFileRequest(session_code=asked.session)
        answer = await patiently(lambda: zikao.verification.GetVerificationFile(request))
    (folder / LIST).write_bytes(answer.file)
    print(f"list {answer.list_number}")
    return 0


def check(asked: argparse.Namespace) -> int:
    """Verify one QR code for this door; what was let in or is revoked is noted as a scan."""
    scanner = Scanner.load(asked.folder / LIST, asked.folder / TRUST)
    now = clock(asked).now()
    print(scanner.describe(now))
    try:
        proof = scanner.verify(asked.text, Door(asked.slot, asked.site, asked.room))
    except TicketRefused as refused:
        print(f"无效：{refused}")
        return 1
    print(describe_proof(proof))
    scan = verification.DoorScan(
        scan_id=str(uuid.uuid4()),  # the scan's for ever: it may be uploaded any number of times
        slot=asked.slot,
        site_code=asked.site,
        room=asked.room,
        device=asked.device,
    )
    scan.scanned_at.FromDatetime(now)
    offline = door.OfflineScan(scan=scan, proof=asked.text)
    with (asked.folder / SCANS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(MessageToDict(offline)) + "\n")
    return 0


async def upload(asked: argparse.Namespace) -> int:
    """All scans, from the first one: what the service knows it passes over."""
    lines = (asked.folder / SCANS).read_text("utf-8").splitlines()
    scans = [ParseDict(json.loads(line), door.OfflineScan()) for line in lines]
    rejected: list[door.RejectedScan] = []
    accepted = known = 0

    def messages() -> Iterator[door.UploadScansRequest]:
        for at in range(0, len(scans), AT_ONCE):
            yield door.UploadScansRequest(scans=scans[at : at + AT_ONCE])

    async def all_of_them() -> None:
        nonlocal accepted, known
        accepted = known = 0
        rejected.clear()
        async for answer in zikao.door.UploadScans(messages(), timeout=UPLOAD_SECONDS):
            accepted, known = accepted + answer.accepted, known + answer.known
            rejected.extend(answer.rejected)

    async with client(asked, "scanner") as zikao:
        await patiently(all_of_them)
    print(f"{accepted} new, {known} known, {len(rejected)} rejected")
    for each in rejected:
        print(f"{each.scan_id}: {each.reason}")
    return 1 if rejected else 0


def main() -> int:
    """One of the three."""
    options = parser(__doc__ or "")
    commands = options.add_subparsers(dest="command", required=True)
    for name in ("fetch", "check", "upload"):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path, help="is there, and this scanner's alone")
        if name == "fetch":
            command.add_argument("--session", required=True)
        if name == "check":
            command.add_argument("text", help="what the QR code says")
            command.add_argument("--slot", type=int, required=True)
            command.add_argument("--site", required=True)
            command.add_argument("--room", default="")
            command.add_argument("--device", default="door-1")
    asked = options.parse_args()
    if asked.command == "check":
        return check(asked)
    return asyncio.run(fetch(asked) if asked.command == "fetch" else upload(asked))


if __name__ == "__main__":
    sys.exit(main())
