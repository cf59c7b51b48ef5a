"""`zikao verify-ticket`: what a scanner without a network accepts."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from zikao.tickets.v1.verification_service_pb2 import (
    SignedVerificationList,
    VerificationList,
)
from zikao_client.scanner_trust import MAX_EPOCH_JUMP, MAX_NUMBER_JUMP, Trust, read_trust
from zikao_ctl.main import main
from zikao_tickets.proof import (
    NO_PHOTO,
    ProofSitting,
    TicketKind,
    TicketProof,
    name_hash,
    photo_hash,
    sign,
)
from zikao_tickets.verification_list import ListContent

NUMBER = "010422100001"
KEY, NEXT_KEY, STRANGE = (Ed25519PrivateKey.generate() for _ in range(3))
SITTINGS = (ProofSitting(1, "S01", "012", "05"), ProofSitting(3, "S01", "002", "30"))
VALID = """有效：准考证号 010422100001，考次 22.1，第2版
  第1场：考点 S01，考场 012，座位 05
  第3场：考点 S01，考场 002，座位 30
"""


def ticket(key: Ed25519PrivateKey = KEY, key_id: str = "k1", **fields: object) -> str:
    """The QR code's text of version 2 of a ticket, or of one with other fields."""
    proof = TicketProof(
        **{
            "session_code": "22.1",
            "ticket_number": NUMBER,
            "version": 2,
            "name_hash": name_hash("张三"),
            "photo_hash": photo_hash(b"jpeg"),
            "sittings": SITTINGS,
            **fields,
        }  # type: ignore[arg-type]
    )
    return sign(proof, key_id, key)


class Desk:
    """A scanner's files, and the service's lists to fill them with."""

    def __init__(self, folder: Path) -> None:
        self.data, self.trust = folder / "verification.zkr", folder / "trust.json"
        Trust({"k1": KEY.public_key()}).write(self.trust)

    def fetch(
        self,
        number: int = 1,
        keys: Mapping[str, Ed25519PrivateKey] | None = None,
        signer: tuple[str, Ed25519PrivateKey] = ("k1", KEY),
        as_of: datetime | None = None,
        revoked: Sequence[tuple[str, int]] = ((NUMBER, 1),),
        *,
        session: str = "22.1",
        epoch: int = 1,
    ) -> bytes:
        """Put a list in the file; version 1 of the ticket is revoked."""
        public = {key_id: key.public_key() for key_id, key in (keys or {"k1": KEY}).items()}
        content = ListContent(session, public, epoch, revoked, as_of or datetime.now(UTC))
        file = content.signed(number, *signer)
        self.data.write_bytes(file)
        return file

    def run(self, text: str, *options: str) -> tuple[int, str]:
        """Exit status and output of the command."""
        files = ["--data", str(self.data), "--trust", str(self.trust)]
        result = CliRunner().invoke(main, ["verify-ticket", text, *files, *options])
        return result.exit_code, result.output


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A scanner that was set up with the first key and has fetched list 1."""
    desk = Desk(tmp_path)
    desk.fetch()
    return desk


def test_a_valid_ticket_names_site_room_and_seat(desk: Desk) -> None:
    """A genuine ticket exits 0 and says where the candidate sits, and how old the list is."""
    status, output = desk.run(ticket())
    assert (status, output.startswith(VALID)) == (0, True)
    assert output.endswith("核验数据：考次 22.1，第1号，0.0小时前\n")


def test_a_forged_ticket_is_refused(desk: Desk) -> None:
    """A ticket signed with another key under the same key id exits 1."""
    assert desk.run(ticket(STRANGE)) == (1, "无效：签名无效，准考证系伪造或被篡改\n")


def test_a_revoked_version_is_refused(desk: Desk) -> None:
    """Revoking a version ends that version, and not the newer one."""
    assert desk.run(ticket(version=1)) == (1, "无效：该准考证已作废，请出示新打印的准考证\n")
    assert desk.run(ticket(version=2))[0] == 0


def test_a_ticket_of_another_session_is_refused(desk: Desk) -> None:
    """Last session's ticket, genuine as it is, admits nobody."""
    status, output = desk.run(ticket(session_code="21.2"))
    assert (status, output) == (1, "无效：该准考证属于考次21.2，不是22.1\n")


def test_a_temporary_ticket_without_photo_says_so(desk: Desk) -> None:
    """Whoever stands at the door is told what paper it is, and that there is no photo on it."""
    text = ticket(kind=TicketKind.TEMPORARY, photo_hash=photo_hash(NO_PHOTO))
    status, output = desk.run(text)
    assert status == 0
    assert output.startswith("有效：临时准考证号 010422100001")
    assert "无照片" in output


@pytest.mark.parametrize(
    ("at", "slot", "answer"),
    [
        ("S01/012", "1", ""),
        ("S01", "3", ""),
        ("S02/012", "1", "无效：该考生第1场应在考点S01考场012座位05\n"),
        ("S01/013", "1", "无效：该考生第1场应在考点S01考场012座位05\n"),
        ("S01/012", "2", "无效：该考生第2场没有考试\n"),
    ],
)
def test_a_valid_ticket_of_elsewhere_is_sent_there(
    desk: Desk, at: str, slot: str, answer: str
) -> None:
    """With the door's place the same ticket admits only to its own slot, site and room."""
    status, output = desk.run(ticket(), "--at", at, "--slot", slot)
    assert (status, "" if status == 0 else output) == (1 if answer else 0, answer)


def test_a_place_without_a_slot_is_no_question(desk: Desk) -> None:
    """A room is another one in every slot: half of a place is refused."""
    assert desk.run(ticket(), "--at", "S01/012")[0] == 2
    assert desk.run(ticket(), "--slot", "1")[0] == 2


def test_every_changed_bit_of_the_list_is_noticed(desk: Desk) -> None:
    """Whoever takes a revoked ticket off the list, or anything else, makes a list of no use."""
    file = desk.fetch()
    for position in range(len(file)):
        changed = bytearray(file)
        changed[position] ^= 1 << (position % 8)
        desk.data.write_bytes(bytes(changed))
        status, output = desk.run(ticket())
        assert (status, output[:7]) == (1, "Error: "), position
    for length in (0, 10, len(file) - 1):
        desk.data.write_bytes(file[:length])
        assert desk.run(ticket())[1].startswith("Error: "), length


def test_an_older_list_is_refused_once_a_newer_was_taken(desk: Desk) -> None:
    """Nobody brings a revoked ticket back with last week's file; the same list again is fine."""
    old = desk.fetch(number=7, revoked=())
    assert desk.run(ticket(version=1))[0] == 0
    desk.fetch(number=8)
    assert desk.run(ticket(version=1))[0] == 1
    desk.data.write_bytes(old)
    status, output = desk.run(ticket())
    assert (status, output) == (1, "Error: this is list 7; list 8 has been taken before\n")
    desk.fetch(number=8)
    assert desk.run(ticket())[0] == 0


def test_trust_goes_from_key_to_key(desk: Desk) -> None:
    """A new key comes in a list that the old one signed; a key that is left out counts no more."""
    signed_next = ticket(NEXT_KEY, "k2")
    desk.fetch(2, {"k1": KEY, "k2": NEXT_KEY})
    assert desk.run(signed_next)[0] == 0
    desk.fetch(3, {"k2": NEXT_KEY}, signer=("k2", NEXT_KEY))
    assert desk.run(signed_next)[0] == 0
    assert desk.run(ticket()) == (1, "无效：签名密钥未知\n")
    assert list(read_trust(desk.trust).keys) == ["k2"]
    desk.fetch(4)
    assert desk.run(ticket())[1] == "Error: key 'k1' is not trusted\n"


def test_another_session_brings_no_retired_key_back(desk: Desk) -> None:
    """Lists are numbered by session and keys are of all: none older of another one."""
    both, second = {"k1": KEY, "k2": NEXT_KEY}, ("k2", NEXT_KEY)
    desk.fetch(2, both, epoch=2)
    assert desk.run(ticket())[0] == 0
    older = desk.fetch(1, both, second, session="22.2", epoch=2)
    desk.fetch(3, {"k2": NEXT_KEY}, second, epoch=3)
    assert desk.run(ticket()) == (1, "无效：签名密钥未知\n")
    desk.data.write_bytes(older)
    told = "Error: the keys of this list are older than those of a list taken before\n"
    assert desk.run(ticket(session_code="22.2")) == (1, told)
    assert list(read_trust(desk.trust).keys) == ["k2"]
    desk.fetch(2, {"k2": NEXT_KEY}, second, session="22.2", epoch=3)
    assert desk.run(ticket(NEXT_KEY, "k2", session_code="22.2"))[0] == 0


def test_a_new_scanner_takes_no_older_keys(desk: Desk) -> None:
    """What it was set up with counts from the first list on."""
    Trust({"k2": NEXT_KEY.public_key()}, key_epoch=3).write(desk.trust)
    desk.fetch(1, {"k1": KEY, "k2": NEXT_KEY}, ("k2", NEXT_KEY), epoch=2)
    assert desk.run(ticket())[1].startswith("Error: the keys of this list are older")


def test_no_list_makes_all_others_old_for_ever(desk: Desk) -> None:
    """A number or a key epoch beyond reason would lock the scanner out: it is not taken."""
    assert desk.run(ticket())[0] == 0
    for number, epoch in ((1 + MAX_NUMBER_JUMP + 1, 1), (2, 1 + MAX_EPOCH_JUMP + 1)):
        desk.fetch(number, epoch=epoch)
        assert desk.run(ticket()) == (1, f"Error: this is list {number}, too far from list 1\n")
    desk.fetch(2)
    assert desk.run(ticket())[0] == 0


def test_a_strange_key_brings_no_list(desk: Desk) -> None:
    """A list signed with another key is none, under its own id and under a trusted one."""
    for key_id in ("k1", "k9"):
        desk.fetch(9, {key_id: STRANGE}, signer=(key_id, STRANGE))
        assert desk.run(ticket(STRANGE, key_id))[1].startswith("Error: ")
    assert read_trust(desk.trust).lists == {}


def test_a_list_of_yesterday_is_used_and_said_to_be_old(desk: Desk) -> None:
    """Without a network for two days a scanner goes on, and says how old its list is."""
    desk.fetch(as_of=datetime.now(UTC) - timedelta(hours=48))
    status, output = desk.run(ticket())
    assert status == 0
    assert output.endswith("48.0小时前，已过期，请更新\n")


def test_a_signed_list_of_half_an_entry_is_none(desk: Desk) -> None:
    """Even a trusted key cannot make a list that is read otherwise than it was written."""
    payload = VerificationList(session_code="22.1", list_number=1, revoked=b"123456")
    data = payload.SerializeToString()
    signature = KEY.sign(b"zikao verification list 1\0" + data)
    signed = SignedVerificationList(payload=data, key_id="k1", signature=signature)
    desk.data.write_bytes(signed.SerializeToString())
    assert desk.run(ticket())[1] == "Error: this is no verification list\n"


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"keys": {}}', json.dumps({"keys": {"k1": "AA=="}, "key_epoch": 1, "lists": {}})],
)
def test_a_broken_trust_file_is_told_apart_from_a_bad_ticket(desk: Desk, content: str) -> None:
    """A scanner's own fault never reads like the candidate's."""
    desk.trust.write_text(content, "utf-8")
    status, output = desk.run(ticket())
    assert status == 1
    assert "Error: " in output
    assert "无效" not in output


def test_it_opens_no_connection(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scanner in a school without a network says the same as one with it."""

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refused)
    assert desk.run(ticket())[0] == 0
    assert desk.run(ticket(version=1))[0] == 1
