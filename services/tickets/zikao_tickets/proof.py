"""The signed proof in the QR code of a ticket: verified offline with a public key.

Needs nothing but `cryptography`, so that a scanner carries this one module.

Text: ``ZK1:`` + base45 (RFC 9285) of ``body + signature``; every character is of the QR code's
alphanumeric mode. One body has exactly one text: anything else is refused as malformed.

Body, integers big-endian, n = a length byte followed by as many bytes::

    1  format, 1
    n  key id            ASCII, 1 to 16 characters
    n  session code      ASCII, 1 to 16 characters
    5  ticket number     its 12 digits as an integer
    2  version           of the ticket, 1 to 65535
    n  name hash         8 to 16 bytes, see `name_hash`
    n  photo hash        8 to 16 bytes, see `photo_hash`
    1  sittings          1 to 8, slots ascending; each:
         1  slot         ordinal in the session's timetable, 1 to 255
         n  room         ASCII, 1 to 16 characters
         n  seat         ASCII, 1 to 16 characters

Signature: 64 bytes Ed25519 (RFC 8032) over a context label followed by the body: a signature
made for any other purpose with the same key is no proof.

Source of the contents: DOMAIN section 5.
"""

import hashlib
import unicodedata
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TEXT_PREFIX = "ZK1:"
FORMAT = 1
SIGNATURE_BYTES = 64
TICKET_NUMBER_DIGITS = 12
TICKET_NUMBER_BYTES = 5
NAME_HASH_BYTES = 8
PHOTO_HASH_BYTES = 16
MIN_HASH_BYTES, MAX_HASH_BYTES = 8, 16
MAX_LABEL_CHARACTERS = 16
MAX_SITTINGS = 8
BASE45_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_SIGNATURE_CONTEXT = b"zikao ticket proof 1\x00"
_NAME_CONTEXT = b"zikao ticket name 1\x00"
_PHOTO_CONTEXT = b"zikao ticket photo 1\x00"
_BASE45_VALUES = {char: value for value, char in enumerate(BASE45_ALPHABET)}

RevocationKey = tuple[str, str, int]
"""Session code, ticket number, version."""


class RejectReason(StrEnum):
    """Why a text is no valid proof."""

    MALFORMED = "MALFORMED"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    REVOKED = "REVOKED"

    @property
    def sentence(self) -> str:
        """The reason in Chinese, for whoever stands at the door."""
        return _SENTENCES[self]


_SENTENCES = {
    RejectReason.MALFORMED: "不是准考证二维码，或内容不完整",
    RejectReason.UNKNOWN_KEY: "签名密钥未知",
    RejectReason.BAD_SIGNATURE: "签名无效，准考证系伪造或被篡改",
    RejectReason.REVOKED: "该准考证已作废，请出示新打印的准考证",
}


class ProofRejected(Exception):  # noqa: N818 - says what happened
    """The text proves nothing; `reason` says why."""

    def __init__(self, reason: RejectReason) -> None:
        """Keep the reason for the scanner's display."""
        self.reason = reason
        super().__init__(reason.value)


class ProofSitting(NamedTuple):
    """Where the candidate sits in one slot; room and seat as printed ('012', '05')."""

    slot: int
    room: str
    seat: str


@dataclass(frozen=True)
class TicketProof:
    """What the QR code vouches for. Raises ValueError for what the layout cannot hold."""

    session_code: str
    ticket_number: str
    version: int
    name_hash: bytes
    photo_hash: bytes
    sittings: tuple[ProofSitting, ...]

    def __post_init__(self) -> None:
        """Hold every proof to the layout, a signed one as well as a scanned one."""
        _require(_is_label(self.session_code), "session_code")
        digits = self.ticket_number
        _require(
            len(digits) == TICKET_NUMBER_DIGITS and digits.isascii() and digits.isdigit(),
            "ticket_number",
        )
        _require(1 <= self.version <= 0xFFFF, "version")
        for value in (self.name_hash, self.photo_hash):
            _require(MIN_HASH_BYTES <= len(value) <= MAX_HASH_BYTES, "hash")
        _require(1 <= len(self.sittings) <= MAX_SITTINGS, "sittings")
        slots = [slot for slot, _, _ in self.sittings]
        _require(slots == sorted(set(slots)) and slots[0] >= 1 and slots[-1] <= 0xFF, "slots")
        for _, room, seat in self.sittings:
            _require(_is_label(room) and _is_label(seat), "room or seat")

    @property
    def revocation_key(self) -> RevocationKey:
        """What a revocation list holds to end this version of this ticket."""
        return self.session_code, self.ticket_number, self.version


def name_hash(name: str) -> bytes:
    """8 bytes that only this name gives, in NFC.

    Normalised because input methods and imports write the same name composed, decomposed or
    with compatibility ideographs; no more than that (NFKC would equate different characters).
    Eight bytes: nobody can look for two names that agree, since a name is not chosen freely.
    """
    text = unicodedata.normalize("NFC", name).encode()
    return hashlib.sha256(_NAME_CONTEXT + text).digest()[:NAME_HASH_BYTES]


def photo_hash(jpeg: bytes) -> bytes:
    """16 bytes that only this file gives.

    Sixteen bytes, as a candidate hands in the photo: with eight, two photos of two people
    that share a hash could be found in an afternoon.
    """
    return hashlib.sha256(_PHOTO_CONTEXT + jpeg).digest()[:PHOTO_HASH_BYTES]


def sign(proof: TicketProof, key_id: str, private_key: Ed25519PrivateKey) -> str:
    """The text of the QR code. The same proof and key give the same text.

    Raises ValueError for a key id that is not 1 to 16 printable ASCII characters.
    """
    _require(_is_label(key_id), "key_id")
    body = _encode(proof, key_id)
    return TEXT_PREFIX + base45_encode(body + private_key.sign(_SIGNATURE_CONTEXT + body))


def verify(
    text: str,
    public_keys: Mapping[str, Ed25519PublicKey],
    revoked: Container[RevocationKey] = frozenset(),
) -> TicketProof:
    """The proof a scanned text carries, if its signature holds and it is not revoked.

    `public_keys` by key id; a key that must no longer count is left out of it. `revoked` is any
    container of `TicketProof.revocation_key`. Raises ProofRejected.
    """
    try:
        body, signature = _split(text)
        key_id, proof = _decode(body)
    except ValueError as error:
        raise ProofRejected(RejectReason.MALFORMED) from error
    if key_id not in public_keys:
        raise ProofRejected(RejectReason.UNKNOWN_KEY)
    try:
        public_keys[key_id].verify(signature, _SIGNATURE_CONTEXT + body)
    except InvalidSignature as error:
        raise ProofRejected(RejectReason.BAD_SIGNATURE) from error
    if proof.revocation_key in revoked:
        raise ProofRejected(RejectReason.REVOKED)
    return proof


def base45_encode(data: bytes) -> str:
    """RFC 9285: two bytes become three characters, a single last byte two."""
    chunks = (data[at : at + 2] for at in range(0, len(data), 2))
    return "".join(_base45_chunk(int.from_bytes(chunk), len(chunk) + 1) for chunk in chunks)


def base45_decode(text: str) -> bytes:
    """The inverse, strict: raises ValueError for whatever `base45_encode` cannot have made."""
    return b"".join(_base45_bytes(text[at : at + 3]) for at in range(0, len(text), 3))


def _base45_chunk(value: int, length: int) -> str:
    return "".join(BASE45_ALPHABET[value // 45**place % 45] for place in range(length))


def _base45_bytes(chunk: str) -> bytes:
    if len(chunk) < 2 or any(char not in _BASE45_VALUES for char in chunk):
        raise ValueError("not base45")
    value = 0
    for char in reversed(chunk):
        value = value * 45 + _BASE45_VALUES[char]
    try:
        return value.to_bytes(len(chunk) - 1)
    except OverflowError as error:
        raise ValueError("not base45") from error


def _require(holds: bool, field: str) -> None:
    if not holds:
        raise ValueError(f"{field} does not fit the proof")


def _is_label(text: str) -> bool:
    return 1 <= len(text) <= MAX_LABEL_CHARACTERS and text.isascii() and text.isprintable()


def _encode(proof: TicketProof, key_id: str) -> bytes:
    parts = [
        bytes([FORMAT]),
        _sized(key_id.encode()),
        _sized(proof.session_code.encode()),
        int(proof.ticket_number).to_bytes(TICKET_NUMBER_BYTES),
        proof.version.to_bytes(2),
        _sized(proof.name_hash),
        _sized(proof.photo_hash),
        bytes([len(proof.sittings)]),
    ]
    for slot, room, seat in proof.sittings:
        parts += [bytes([slot]), _sized(room.encode()), _sized(seat.encode())]
    return b"".join(parts)


def _sized(data: bytes) -> bytes:
    return bytes([len(data)]) + data


def _split(text: str) -> tuple[bytes, bytes]:
    """Body and signature of a text; raises ValueError."""
    if not text.startswith(TEXT_PREFIX):
        raise ValueError("no proof of this kind")
    data = base45_decode(text.removeprefix(TEXT_PREFIX))
    return data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]


def _decode(body: bytes) -> tuple[str, TicketProof]:
    """Key id and proof of a body; raises ValueError for every other layout."""
    reader = _Reader(body)
    _require(reader.integer(1) == FORMAT, "format")
    key_id = reader.label()
    proof = TicketProof(
        session_code=reader.label(),
        ticket_number=f"{reader.integer(TICKET_NUMBER_BYTES):0{TICKET_NUMBER_DIGITS}}",
        version=reader.integer(2),
        name_hash=reader.sized(),
        photo_hash=reader.sized(),
        sittings=tuple(reader.sitting() for _ in range(reader.integer(1))),
    )
    _require(reader.finished and _is_label(key_id), "length")
    return key_id, proof


class _Reader:
    """Takes a body apart from front to back; raises ValueError when it ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def finished(self) -> bool:
        return self._position == len(self._data)

    def take(self, length: int) -> bytes:
        start, self._position = self._position, self._position + length
        _require(self._position <= len(self._data), "length")
        return self._data[start : self._position]

    def integer(self, length: int) -> int:
        return int.from_bytes(self.take(length))

    def sized(self) -> bytes:
        return self.take(self.integer(1))

    def label(self) -> str:
        return self.sized().decode("ascii")

    def sitting(self) -> ProofSitting:
        return ProofSitting(self.integer(1), self.label(), self.label())
