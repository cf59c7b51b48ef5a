"""The signed proof of a ticket."""

import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from zikao_tickets import proof as proof_module
from zikao_tickets.proof import (
    BASE45_ALPHABET,
    NO_PHOTO,
    TEXT_PREFIX,
    ProofRejected,
    ProofSitting,
    RejectReason,
    TicketKind,
    TicketProof,
    base45_decode,
    base45_encode,
    name_hash,
    photo_hash,
    sign,
    verify,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
KEYS = {"2022a": KEY.public_key(), "2022b": OTHER_KEY.public_key()}
PROOF = TicketProof(
    session_code="22.1",
    ticket_number="010422100001",
    version=1,
    name_hash=name_hash("张𬭎"),
    photo_hash=photo_hash(b"photo"),
    sittings=(
        ProofSitting(1, "S01", "012", "05"),
        ProofSitting(2, "S01", "013", "12"),
        ProofSitting(3, "S01", "014", "19"),
        ProofSitting(4, "S01", "015", "26"),
    ),
)

labels = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=16)
hashes = st.binary(min_size=8, max_size=16)
numbers = st.integers(0, 999_999).map(str) | st.integers(0, 99).map("{:03}".format)
places = st.tuples(labels, numbers | labels, numbers | labels)
proofs = st.builds(
    TicketProof,
    session_code=labels,
    ticket_number=st.integers(0, 10**12 - 1).map("{:012}".format),
    version=st.integers(1, 65535),
    name_hash=hashes,
    photo_hash=hashes,
    sittings=st.dictionaries(st.integers(1, 255), places, min_size=1, max_size=8).map(
        lambda seats: tuple(ProofSitting(slot, *seats[slot]) for slot in sorted(seats))
    ),
    kind=st.sampled_from(TicketKind),
)


def rejection(text: str, **arguments: object) -> RejectReason:
    """The reason for which `verify` refuses a text."""
    with pytest.raises(ProofRejected) as caught:
        verify(text, **{"public_keys": KEYS, **arguments})  # type: ignore[arg-type]
    return caught.value.reason


@given(proofs, labels)
def test_every_proof_survives_signing_and_verifying(proof: TicketProof, key_id: str) -> None:
    """Whatever the layout can hold comes back unchanged from its own text."""
    text = sign(proof, key_id, KEY)
    assert verify(text, {key_id: KEY.public_key()}) == proof
    assert set(text) <= set(BASE45_ALPHABET)


def test_the_same_proof_has_one_text() -> None:
    """Signing is deterministic, so a re-print carries the same QR code."""
    assert sign(PROOF, "2022a", KEY) == sign(PROOF, "2022a", KEY)


def test_a_full_ticket_stays_small_enough_to_scan() -> None:
    """QR version 9 at level M (262 characters), 53 modules: 0.47 mm each at 25 mm.

    Two sites fit it, three the next version (311), and twice as many sittings the one after (366).
    """
    assert len(sign(PROOF, "2022a", KEY)) <= 230
    for sittings, sites, most in ((4, 2, 262), (4, 3, 311), (8, 4, 366)):
        proof = replace(PROOF, sittings=spread(sittings, sites))
        assert len(sign(proof, "202203-12", KEY)) <= most


def spread(sittings: int, sites: int) -> tuple[ProofSitting, ...]:
    """So many sittings, in turn at so many sites."""
    return tuple(
        ProofSitting(slot, f"51010401{slot % sites:02}", "012", "05")
        for slot in range(1, sittings + 1)
    )


def test_what_is_no_number_is_kept_as_it_is_printed() -> None:
    """Rooms and seats with letters, leading zeros or many digits are signed as they stand."""
    odd = ("B-12", "0000012", "007", "0"), ("05", "1023", "A", "00")
    for room, seat in zip(*odd, strict=True):
        proof = replace(PROOF, sittings=(ProofSitting(1, "S01", room, seat),))
        assert verify(sign(proof, "2022a", KEY), KEYS).sittings[0][2:] == (room, seat)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"\x02\x00\x05", b"\x02\x04\x05"),  # a flag that means nothing
        (b"\x02\x00\x05", b"\x02\x02\x05"),  # sittings as text that are none
        (b"\x01\x03S01\x04", b"\x02\x03S01\x03S02\x04"),  # a site nobody sits at
        (b"\x01\x03S01\x04", b"\x02\x03S01\x03S01\x04"),  # a site twice
    ],
)
def test_a_signed_body_in_another_form_is_malformed(was: bytes, becomes: bytes) -> None:
    """One proof has one body: even with a good signature no other form of it is taken."""
    body = base45_decode(sign(PROOF, "2022a", KEY).removeprefix(TEXT_PREFIX))[:-64]
    assert body.count(was) == 1
    other = body.replace(was, becomes)
    text = TEXT_PREFIX + base45_encode(other + KEY.sign(b"zikao ticket proof 2\x00" + other))
    assert rejection(text) is RejectReason.MALFORMED


def test_a_temporary_ticket_and_one_without_photo_say_so() -> None:
    """The kind is signed, and so is that there is no photo to compare the face with."""
    temporary = replace(PROOF, kind=TicketKind.TEMPORARY, photo_hash=photo_hash(NO_PHOTO))
    read = verify(sign(temporary, "2022a", KEY), KEYS)
    assert (read.kind, read.has_photo) == (TicketKind.TEMPORARY, False)
    assert PROOF.has_photo


def test_every_single_changed_byte_is_refused() -> None:
    """Each byte of body and signature, changed in each of its bits, fails to verify."""
    data = base45_decode(sign(PROOF, "2022a", KEY).removeprefix(TEXT_PREFIX))
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            rejection(TEXT_PREFIX + base45_encode(bytes(changed)))


def test_every_single_changed_character_is_refused() -> None:
    """Each character of the text, replaced by each other QR character, fails to verify."""
    text = sign(PROOF, "2022a", KEY)
    for position, original in enumerate(text):
        for char in BASE45_ALPHABET + "z":
            if char != original:
                rejection(text[:position] + char + text[position + 1 :])


@pytest.mark.parametrize("shape", ["{}0", "{}00", "{}AAA", " {}", "{} ", "{}\n"])
def test_text_with_anything_added_is_refused(shape: str) -> None:
    """One proof has exactly one text: no padding, no blanks, nothing behind it."""
    assert rejection(shape.format(sign(PROOF, "2022a", KEY))) in {
        RejectReason.MALFORMED,
        RejectReason.BAD_SIGNATURE,
    }


def test_every_truncated_text_is_refused() -> None:
    """A text cut off anywhere fails to verify."""
    text = sign(PROOF, "2022a", KEY)
    for length in range(len(text)):
        rejection(text[:length])


@given(st.text(max_size=300) | st.binary(max_size=300).map(base45_encode))
def test_garbage_is_malformed_and_nothing_else_happens(text: str) -> None:
    """Any text a camera may read ends in a rejection, never in another exception."""
    assert rejection(text) is RejectReason.MALFORMED
    rejection(TEXT_PREFIX + text)


def test_a_key_the_scanner_does_not_know_is_told_apart() -> None:
    """A proof of an unknown key id is refused as UNKNOWN_KEY, so the key list gets updated."""
    assert rejection(sign(PROOF, "2023a", KEY)) is RejectReason.UNKNOWN_KEY


def test_a_signature_of_another_key_is_refused() -> None:
    """The key id in the text decides the key: a signature by another known key fails."""
    assert rejection(sign(PROOF, "2022b", KEY)) is RejectReason.BAD_SIGNATURE


def test_a_signature_over_the_bare_body_is_no_proof() -> None:
    """A signature that the key made without the proof's context label is refused."""
    data = base45_decode(sign(PROOF, "2022a", KEY).removeprefix(TEXT_PREFIX))
    forged = data[:-64] + KEY.sign(data[:-64])
    assert rejection(TEXT_PREFIX + base45_encode(forged)) is RejectReason.BAD_SIGNATURE


def test_a_revoked_version_is_refused_and_its_successor_is_not() -> None:
    """Revocation ends one version of one ticket and no other."""
    revoked = {PROOF.revocation_key}
    newer = replace(PROOF, version=2)
    assert rejection(sign(PROOF, "2022a", KEY), revoked=revoked) is RejectReason.REVOKED
    assert verify(sign(newer, "2022a", KEY), KEYS, revoked) == newer


def test_a_forged_revoked_proof_is_called_forged() -> None:
    """The signature is checked first: REVOKED is said of real proofs only."""
    text = sign(PROOF, "2022b", KEY)
    assert rejection(text, revoked={PROOF.revocation_key}) is RejectReason.BAD_SIGNATURE


@pytest.mark.parametrize(
    "change",
    [
        {"ticket_number": "12345678901"},
        {"ticket_number": "１２３４５６７８９０１２"},
        {"version": 0},
        {"version": 65536},
        {"session_code": ""},
        {"session_code": "22.1次"},
        {"name_hash": b"1234567"},
        {"photo_hash": b"x" * 17},
        {"sittings": ()},
        {"sittings": (ProofSitting(2, "S01", "1", "1"), ProofSitting(1, "S01", "1", "1"))},
        {"sittings": (ProofSitting(1, "S01", "1", "1"), ProofSitting(1, "S01", "2", "2"))},
        {"sittings": (ProofSitting(0, "S01", "1", "1"),)},
        {"sittings": (ProofSitting(256, "S01", "1", "1"),)},
        {"sittings": (ProofSitting(1, "S01", "", "1"),)},
        {"sittings": (ProofSitting(1, "", "1", "1"),)},
    ],
)
def test_what_the_layout_cannot_hold_is_never_signed(change: dict[str, object]) -> None:
    """A proof with a field outside the layout cannot even be built."""
    with pytest.raises(ValueError, match="does not fit"):
        replace(PROOF, **change)  # type: ignore[arg-type]


def test_a_key_id_outside_the_layout_is_refused() -> None:
    """A key id that is empty, too long or not ASCII signs nothing."""
    for key_id in ("", "k" * 17, "钥"):
        with pytest.raises(ValueError, match="key_id"):
            sign(PROOF, key_id, KEY)


def test_base45_matches_the_published_examples() -> None:
    """The encoding is RFC 9285's, with its own examples."""
    examples = {
        b"AB": "BB8",
        b"Hello!!": "%69 VD92EX0",
        b"base-45": "UJCLQE7W581",
        b"ietf!": "QED8WEX0",
    }
    for data, text in examples.items():
        assert base45_encode(data) == text
        assert base45_decode(text) == data


@pytest.mark.parametrize("text", ["A", "AAAA", ":::", "::", "GGW", "ab8", "BB８"])
def test_base45_refuses_what_no_encoder_makes(text: str) -> None:
    """Lengths, values and characters outside RFC 9285 are errors."""
    with pytest.raises(ValueError, match="base45"):
        base45_decode(text)


def test_a_name_written_in_two_unicode_forms_has_one_hash() -> None:
    """Composed and decomposed spellings agree, different characters do not."""
    name = "José·豈"
    assert name_hash(unicodedata.normalize("NFD", name)) == name_hash(name)
    assert name_hash("张宏") != name_hash("张𬭎")


def test_hashes_are_kept_apart_by_their_purpose() -> None:
    """The same bytes as a name and as a photo have unrelated hashes."""
    assert photo_hash(b"zhang")[:8] != name_hash("zhang")


def test_a_scanner_needs_only_cryptography() -> None:
    """The module runs alone, with no other part of zikao or its dependencies importable."""
    source = Path(proof_module.__file__)
    program = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('proof', {str(source)!r})\n"
        "module = importlib.util.module_from_spec(spec); sys.modules['proof'] = module\n"
        "spec.loader.exec_module(module)\n"
        "alien = {'zikao_kit', 'zikao_tickets', 'grpc', 'google', 'typst', 'segno'}\n"
        "assert not alien & set(sys.modules), alien & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
