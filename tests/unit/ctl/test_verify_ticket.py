"""`zikao verify-ticket`: what a scanner without a network accepts."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf import json_format
from zikao.tickets.v1.ticket_service_pb2 import (
    GetVerificationDataResponse,
    RevokedTicket,
    VerificationKey,
)
from zikao_ctl.main import main
from zikao_tickets.proof import ProofSitting, TicketProof, name_hash, photo_hash, sign

NUMBER = "010422100001"


@pytest.fixture
def key() -> Ed25519PrivateKey:
    """The key tickets are signed with."""
    return Ed25519PrivateKey.generate()


@pytest.fixture
def data(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    """The file of a scanner, as an operator saves it; version 1 of the ticket is revoked."""
    public = VerificationKey(key_id="k1", public_key=key.public_key().public_bytes_raw())
    known = GetVerificationDataResponse(
        keys=[public], revoked=[RevokedTicket(ticket_number=NUMBER, version=1)]
    )
    path = tmp_path / "verification.json"
    path.write_text(json_format.MessageToJson(known), "utf-8")
    return path


def ticket(key: Ed25519PrivateKey, version: int = 2) -> str:
    """The QR code's text of a version of a ticket."""
    sittings = (ProofSitting(1, "S01", "012", "05"), ProofSitting(3, "S01", "002", "30"))
    proof = TicketProof("22.1", NUMBER, version, name_hash("张三"), photo_hash(b"jpeg"), sittings)
    return sign(proof, "k1", key)


def run(text: str, data: Path, session: str = "22.1") -> tuple[int, str]:
    """Exit status and output of the command."""
    options = ["--session", session, "--data", str(data)]
    result = CliRunner().invoke(main, ["verify-ticket", text, *options])
    return result.exit_code, result.output


def test_a_valid_ticket_names_room_and_seat(key: Ed25519PrivateKey, data: Path) -> None:
    """A genuine ticket exits 0 and says where the candidate sits."""
    status, output = run(ticket(key), data)
    assert status == 0
    assert NUMBER in output
    assert "第1场：考点 S01，考场 012，座位 05" in output


def test_a_forged_ticket_is_refused(data: Path) -> None:
    """A ticket signed with another key under the same key id exits 1."""
    status, output = run(ticket(Ed25519PrivateKey.generate()), data)
    assert (status, output) == (1, "无效：签名无效，准考证系伪造或被篡改\n")


def test_a_revoked_version_is_refused(key: Ed25519PrivateKey, data: Path) -> None:
    """Revoking a version ends that version, and not the newer one."""
    assert run(ticket(key, version=1), data) == (1, "无效：该准考证已作废，请出示新打印的准考证\n")
    assert run(ticket(key, version=2), data)[0] == 0


def test_a_ticket_of_another_session_is_refused(key: Ed25519PrivateKey, data: Path) -> None:
    """Last session's ticket, genuine as it is, admits nobody."""
    status, output = run(ticket(key), data, session="22.2")
    assert status == 1
    assert "属于考次22.1" in output


def test_a_broken_key_file_is_told_apart_from_a_bad_ticket(
    tmp_path: Path, key: Ed25519PrivateKey
) -> None:
    """A scanner's own fault never reads like the candidate's."""
    broken = tmp_path / "verification.json"
    broken.write_text("{", "utf-8")
    status, output = run(ticket(key), broken)
    assert status == 1
    assert "cannot be read" in output
    assert "无效" not in output
