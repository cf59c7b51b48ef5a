"""`zikao verify-ticket`: check a ticket's QR code with one file, as a scanner does."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf import json_format
from zikao.tickets.v1.ticket_service_pb2 import GetVerificationDataResponse
from zikao_tickets.proof import ProofRejected, TicketProof, verify

OTHER_SESSION = "该准考证属于考次{other}，不是{session}"


class VerificationFileError(Exception):
    """The file with keys and revoked tickets cannot be used."""


class TicketRefused(Exception):  # noqa: N818 - says what happened
    """The ticket admits nobody; the text says why, in Chinese."""


def verify_ticket(text: str, session_code: str, data: Path) -> TicketProof:
    """The proof in a QR code's text.

    `data` holds the answer of VerificationService.GetVerificationData for the session as JSON:
    public keys and revoked tickets. Raises TicketRefused, VerificationFileError.
    """
    known = _read(data)
    revoked = {(session_code, t.ticket_number, t.version) for t in known.revoked}
    try:
        proof = verify(text, _public_keys(known), revoked)
    except ProofRejected as rejected:
        raise TicketRefused(rejected.reason.sentence) from rejected
    if proof.session_code != session_code:
        raise TicketRefused(OTHER_SESSION.format(other=proof.session_code, session=session_code))
    return proof


def describe_proof(proof: TicketProof) -> str:
    """What the examiner compares with the person and the room."""
    lines = [
        f"有效：准考证号 {proof.ticket_number}，考次 {proof.session_code}，第{proof.version}版"
    ]
    lines += [
        f"  第{slot}场：考点 {site}，考场 {room}，座位 {seat}"
        for slot, site, room, seat in proof.sittings
    ]
    return "\n".join(lines)


def _read(path: Path) -> GetVerificationDataResponse:
    try:
        return json_format.Parse(path.read_text("utf-8"), GetVerificationDataResponse())
    except (OSError, UnicodeDecodeError, json_format.ParseError) as error:
        raise VerificationFileError(f"{path} cannot be read: {error}") from error


def _public_keys(known: GetVerificationDataResponse) -> dict[str, Ed25519PublicKey]:
    try:
        return {
            key.key_id: Ed25519PublicKey.from_public_bytes(key.public_key) for key in known.keys
        }
    except ValueError as error:
        raise VerificationFileError(f"a public key is not of 32 bytes: {error}") from error
