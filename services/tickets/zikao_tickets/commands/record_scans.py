"""Scans that were made without a network are brought together (DOMAIN section 5)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from zikao_tickets.domain.scans import Door, Scan, scan_problem
from zikao_tickets.proof import ProofRejected, verify
from zikao_tickets.stores.scans import ScanStore
from zikao_tickets.stores.sessions import SessionStore

UNKNOWN_TICKET, SCAN_ID_REUSED = "UNKNOWN_TICKET", "SCAN_ID_REUSED"


class Rejected(NamedTuple):
    """A scan that is not kept, and why."""

    scan_id: UUID
    reason: str


class Recorded(NamedTuple):
    """What became of some scans."""

    accepted: int
    known: int
    rejected: Sequence[Rejected]


def judge(
    uploads: Sequence[tuple[Door, str]], keys: Mapping[str, Ed25519PublicKey]
) -> tuple[list[Scan], list[Rejected]]:
    """Verify the texts that were scanned: a fifth of a millisecond each, on whatever thread."""
    scans, rejected = [], []
    for door, text in uploads:
        try:
            scans.append(Scan.of(verify(text, keys), door))
        except ProofRejected as error:
            rejected.append(Rejected(door.scan_id, error.reason))
    return scans, rejected


async def record_scans(
    store: ScanStore, sessions: SessionStore, scans: Sequence[Scan], now: datetime
) -> Recorded:
    """Keep scans of good signature; what is known by its id is passed over."""
    codes = {scan.session_code for scan in scans}
    known = {code: await sessions.load(code) for code in codes}
    problems = [scan_problem(scan, known[scan.session_code], now) for scan in scans]
    wrong = [Rejected(s.scan_id, p) for s, p in zip(scans, problems, strict=True) if p]
    good = [scan for scan, problem in zip(scans, problems, strict=True) if not problem]
    added = await store.insert(good, now, uploaded=True)
    kept = await store.by_id([scan.scan_id for scan in good])
    refused = [
        Rejected(scan.scan_id, SCAN_ID_REUSED if scan.scan_id in kept else UNKNOWN_TICKET)
        for scan in good
        if kept.get(scan.scan_id) != scan
    ]
    return Recorded(len(added), len(good) - len(added) - len(refused), [*wrong, *refused])
