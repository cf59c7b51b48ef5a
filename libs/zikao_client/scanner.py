"""Checks a ticket's QR code with two files, as a scanner does offline.

first_trust(answer_of_get_verification_data).write(trust)       # once, over a good connection
scanner = Scanner.load(list_file, trust)
print(describe_proof(scanner.verify(text, Door(slot=1, site="S1"))))
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from zikao_tickets.proof import (
    ProofRejected,
    ProofSitting,
    TicketKind,
    TicketProof,
    verify,
)
from zikao_tickets.verification_list import KnownList

from zikao_client.scanner_trust import TrustError, first_trust, read_trust

__all__ = ["Door", "Scanner", "TicketRefused", "TrustError", "describe_proof", "first_trust"]

OTHER_SESSION = "该准考证属于考次{other}，不是{session}"
NO_SITTING = "该考生第{slot}场没有考试"
OTHER_PLACE = "该考生第{slot}场应在考点{site}考场{room}座位{seat}"


class TicketRefused(Exception):  # noqa: N818 - says what happened
    """The ticket admits nobody, or not here; the text says why, in Chinese."""


@dataclass(frozen=True)
class Door:
    """Where and when is scanned; without a room any of the site."""

    slot: int
    site: str
    room: str = ""

    def require(self, proof: TicketProof) -> None:
        """Raise TicketRefused for a ticket that belongs elsewhere."""
        found = [sitting for sitting in proof.sittings if sitting.slot == self.slot]
        if not found:
            raise TicketRefused(NO_SITTING.format(slot=self.slot))
        if not self._has(found[0]):
            raise TicketRefused(OTHER_PLACE.format(**found[0]._asdict()))

    def _has(self, sitting: ProofSitting) -> bool:
        return sitting.site == self.site and self.room in ("", sitting.room)


@dataclass(frozen=True)
class Scanner:
    """What a scanner carries: one list that it has taken."""

    known: KnownList

    @classmethod
    def load(cls, data: Path, trust: Path) -> Scanner:
        """Take the list in a file, and remember in `trust` that it was taken. Raises TrustError."""
        before = read_trust(trust)
        try:
            file = data.read_bytes()
        except OSError as error:
            raise TrustError(f"{data} cannot be read: {error}") from error
        known, after = before.taking(file)
        if after.lists != before.lists:
            after.write(trust)
        return cls(known)

    def verify(self, text: str, door: Door | None = None) -> TicketProof:
        """The proof in a QR code's text. Raises TicketRefused."""
        known = self.known
        try:
            proof = verify(text, known.keys, known.revoked)
        except ProofRejected as rejected:
            raise TicketRefused(rejected.reason.sentence) from rejected
        if proof.session_code != known.session_code:
            other = {"other": proof.session_code, "session": known.session_code}
            raise TicketRefused(OTHER_SESSION.format(**other))
        if door is not None:
            door.require(proof)
        return proof

    def describe(self, now: datetime) -> str:
        """Which list it is and how old."""
        known, hours = self.known, (now - self.known.as_of).total_seconds() / 3600
        line = f"核验数据：考次 {known.session_code}，第{known.number}号，{max(hours, 0):.1f}小时前"
        return line + ("，已过期，请更新" if now > known.next_update_at else "")


def describe_proof(proof: TicketProof) -> str:
    """What the examiner compares with the person and the room."""
    paper = "临时准考证" if proof.kind is TicketKind.TEMPORARY else "准考证"
    lines = [
        f"有效：{paper}号 {proof.ticket_number}，考次 {proof.session_code}，第{proof.version}版"
    ]
    if not proof.has_photo:
        lines.append("  无照片：请核对身份证件")
    lines += [
        f"  第{slot}场：考点 {site}，考场 {room}，座位 {seat}"
        for slot, site, room, seat in proof.sittings
    ]
    return "\n".join(lines)
