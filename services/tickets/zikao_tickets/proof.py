"""The signed proof in the QR code of a ticket: verified offline with a public key.

Needs nothing but `cryptography`, so that a scanner carries this one module.

Text: ``ZK2:`` + base45 (RFC 9285) of ``body + signature``; every character is of the QR code's
alphanumeric mode. One body has exactly one text: anything else is refused as malformed.

Body, integers big-endian, n = a length byte followed by as many bytes::

    1  format, 2
    1  flags             bit 0: a temporary ticket; bit 1: sittings as text; the others 0
    n  key id            ASCII, 1 to 16 characters
    n  session code      ASCII, 1 to 16 characters
    5  ticket number     its 12 digits as an integer
    2  version           of the ticket, 1 to 65535
    n  name hash         8 to 16 bytes, see `name_hash`
    n  photo hash        8 to 16 bytes, see `photo_hash`
    1  sites             1 to 8, in the order of the sittings that name them first; each:
         n  site code    ASCII, 1 to 16 characters
    1  sittings          1 to 8, slots ascending; each:
         1  slot         ordinal in the session's timetable, 1 to 255
         5  place        bits from the highest: 2 zero, 3 index of the site, 3 digits of the room,
                         20 room, 2 digits of the seat, 10 seat
       or, with bit 1 of the flags, which is set only where some room or seat is not of that kind:
         1  slot
         1  index of the site
         n  room         ASCII, 1 to 16 characters
         n  seat         ASCII, 1 to 16 characters

The site is in it because a room 001 is at every site. Rooms and seats are printed with leading
zeros, hence the digits beside the numbers: '012' is 3 digits and 12.

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

TEXT_PREFIX = "ZK2:"
FORMAT = 2
SIGNATURE_BYTES = 64
TICKET_NUMBER_DIGITS = 12
TICKET_NUMBER_BYTES = 5
NAME_HASH_BYTES = 8
PHOTO_HASH_BYTES = 16
MIN_HASH_BYTES, MAX_HASH_BYTES = 8, 16
MAX_LABEL_CHARACTERS = 16
MAX_SITTINGS = 8
MAX_ROOM_DIGITS, ROOM_BITS = 6, 20
MAX_SEAT_DIGITS, SEAT_BITS = 3, 10
SITE_BITS, ROOM_DIGIT_BITS, SEAT_DIGIT_BITS = 3, 3, 2
PLACE_BYTES = 5
NO_PHOTO = b""
"""What stands for the photo of a ticket without one."""
BASE45_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_TEMPORARY, _SITTINGS_AS_TEXT = 1, 2
_SIGNATURE_CONTEXT = b"zikao ticket proof 2\x00"
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


class TicketKind(StrEnum):
    """What kind of paper it is: the temporary ticket (临时准考证) is an office's."""

    REGULAR = "regular"
    TEMPORARY = "temporary"


class ProofSitting(NamedTuple):
    """Where the candidate sits in one slot; site by code, room and seat as printed."""

    slot: int
    site: str
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
    kind: TicketKind = TicketKind.REGULAR

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
        slots = [sitting.slot for sitting in self.sittings]
        _require(slots == sorted(set(slots)) and slots[0] >= 1 and slots[-1] <= 0xFF, "slots")
        for _, *labels in self.sittings:
            _require(all(map(_is_label, labels)), "site, room or seat")

    @property
    def has_photo(self) -> bool:
        """Whether a photo is vouched for: an office may issue a temporary ticket without."""
        return self.photo_hash != photo_hash(NO_PHOTO)

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites in the order of the sittings that name them first."""
        return tuple(dict.fromkeys(sitting.site for sitting in self.sittings))

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


def key_id_of(text: str) -> str:
    """The id of the key that a text names; raises ValueError for a text that is malformed."""
    body, _ = _split(text)
    return _decode(body)[0]


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
    sites = proof.sites
    packed = [_place(sites.index(sitting.site), sitting) for sitting in proof.sittings]
    as_text = None in packed
    flags = (proof.kind is TicketKind.TEMPORARY) * _TEMPORARY | as_text * _SITTINGS_AS_TEXT
    parts = [
        bytes([FORMAT, flags]),
        _sized(key_id.encode()),
        _sized(proof.session_code.encode()),
        int(proof.ticket_number).to_bytes(TICKET_NUMBER_BYTES),
        proof.version.to_bytes(2),
        _sized(proof.name_hash),
        _sized(proof.photo_hash),
        bytes([len(sites)]),
        *(_sized(site.encode()) for site in sites),
        bytes([len(proof.sittings)]),
    ]
    for sitting, place in zip(proof.sittings, packed, strict=True):
        text = _place_as_text(sites.index(sitting.site), sitting)
        parts += [bytes([sitting.slot]), text if as_text or place is None else place]
    return b"".join(parts)


def _place(site: int, sitting: ProofSitting) -> bytes | None:
    """The five bytes of a sitting; None when its room or seat is no number of that size."""
    room, seat = sitting.room, sitting.seat
    if not (_is_number(room, MAX_ROOM_DIGITS) and _is_number(seat, MAX_SEAT_DIGITS)):
        return None
    value = site
    for number, bits in (
        (len(room), ROOM_DIGIT_BITS),
        (int(room), ROOM_BITS),
        (len(seat), SEAT_DIGIT_BITS),
        (int(seat), SEAT_BITS),
    ):
        value = value << bits | number
    return value.to_bytes(PLACE_BYTES)


def _place_as_text(site: int, sitting: ProofSitting) -> bytes:
    return bytes([site]) + _sized(sitting.room.encode()) + _sized(sitting.seat.encode())


def _is_number(text: str, most_digits: int) -> bool:
    return len(text) <= most_digits and text.isascii() and text.isdigit()


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
    flags = reader.integer(1)
    key_id = reader.label()
    proof = TicketProof(
        session_code=reader.label(),
        ticket_number=f"{reader.integer(TICKET_NUMBER_BYTES):0{TICKET_NUMBER_DIGITS}}",
        version=reader.integer(2),
        name_hash=reader.sized(),
        photo_hash=reader.sized(),
        sittings=reader.sittings(as_text=bool(flags & _SITTINGS_AS_TEXT)),
        kind=TicketKind.TEMPORARY if flags & _TEMPORARY else TicketKind.REGULAR,
    )
    # One body a proof: other flags, other orders of sites and bytes behind it are refused.
    _require(_is_label(key_id) and _encode(proof, key_id) == body, "body")
    return key_id, proof


class _Reader:
    """Takes a body apart from front to back; raises ValueError when it ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

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

    def sittings(self, *, as_text: bool) -> tuple[ProofSitting, ...]:
        sites = [self.label() for _ in range(self.integer(1))]
        place = self._place_as_text if as_text else self._place
        return tuple(place(sites, self.integer(1)) for _ in range(self.integer(1)))

    def _place(self, sites: list[str], slot: int) -> ProofSitting:
        value = self.integer(PLACE_BYTES)
        seat, value = _low_bits(value, SEAT_BITS)
        seat_digits, value = _low_bits(value, SEAT_DIGIT_BITS)
        room, value = _low_bits(value, ROOM_BITS)
        room_digits, value = _low_bits(value, ROOM_DIGIT_BITS)
        site, _ = _low_bits(value, SITE_BITS)
        _require(site < len(sites), "site")
        return ProofSitting(slot, sites[site], f"{room:0{room_digits}}", f"{seat:0{seat_digits}}")

    def _place_as_text(self, sites: list[str], slot: int) -> ProofSitting:
        site = self.integer(1)
        _require(site < len(sites), "site")
        return ProofSitting(slot, sites[site], self.label(), self.label())


def _low_bits(value: int, bits: int) -> tuple[int, int]:
    """The lowest bits of a number, and what is above them."""
    return value & ((1 << bits) - 1), value >> bits
