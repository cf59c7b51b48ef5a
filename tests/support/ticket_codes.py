"""QR codes of many different tickets: printed, read back from paper, and tampered with."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pypdfium2
import zxingcpp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image
from support.ticket_sheets import LINES, sheet
from zikao_tickets.printing import TicketRenderer, TicketSheet
from zikao_tickets.proof import (
    NO_PHOTO,
    TEXT_PREFIX,
    ProofRejected,
    ProofSitting,
    TicketKind,
    TicketProof,
    base45_decode,
    base45_encode,
    name_hash,
    photo_hash,
    sign,
    verify,
)

DPI = 150
POINTS_PER_INCH = 72
MM_PER_INCH = 25.4
BLACK_BELOW = 128
SMALL_MM = 25.0
SIGNATURE_BYTES = 64
KEYS = {
    key_id: Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    for seed, key_id in enumerate(("202203-1", "202204-2"), start=1)
}
PUBLIC = {key_id: key.public_key() for key_id, key in KEYS.items()}
STRANGE = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
SITES = ("51010401", "51010402", "51010403", "51010404")
SURNAMES, GIVEN = "张李王赵陈刘杨黄吴周", "伟芳娜敏静磊洋艳勇军𬭎䶮"


@dataclass(frozen=True)
class Coded:
    """A proof, the key it is signed with, and the text of its code."""

    proof: TicketProof
    key_id: str

    @property
    def text(self) -> str:
        """The text of the QR code."""
        return sign(self.proof, self.key_id, KEYS[self.key_id])

    @property
    def body(self) -> bytes:
        """What is signed, with the signature cut off."""
        return _data(self.text)[:-SIGNATURE_BYTES]

    @property
    def signature(self) -> bytes:
        """The signature."""
        return _data(self.text)[-SIGNATURE_BYTES:]

    def sheet(self) -> TicketSheet:
        """A page with the code on it, the photos and lines being of no matter to it."""
        temporary = self.proof.kind is TicketKind.TEMPORARY
        page = replace(PAGE, ticket_number=self.proof.ticket_number, qr_text=self.text)
        return replace(page, photo_jpeg=None) if temporary else page


_QR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
PAGE = sheet(lines=[*LINES, *LINES])
Tamper = Callable[[random.Random, Coded, Coded], str]
"""A forger's text, made of a ticket and of another one's."""


def tickets(count: int, seed: int = 0) -> list[Coded]:
    """Tickets of different people: one to four courses at one to three sites, some temporary."""
    draw = random.Random(seed)
    return [_ticket(draw, number) for number in range(1, count + 1)]


def _ticket(draw: random.Random, number: int) -> Coded:
    slots = sorted(draw.sample(range(1, 5), draw.choice((1, 2, 3, 4, 4))))
    sites = draw.sample(SITES, draw.choice((1, 1, 1, 2, 3)))
    name = draw.choice(SURNAMES) + "".join(draw.choices(GIVEN, k=2))
    kind = TicketKind.TEMPORARY if number % 20 == 0 else TicketKind.REGULAR
    photo = NO_PHOTO if kind is TicketKind.TEMPORARY else draw.randbytes(64)
    proof = TicketProof(
        session_code="22.1",
        ticket_number=f"{draw.randrange(1, 22):02}0422{number:06}",
        version=draw.choice((1, 1, 1, 2, 3)),
        name_hash=name_hash(name),
        photo_hash=photo_hash(photo),
        sittings=tuple(
            ProofSitting(
                slot,
                draw.choice(sites),
                f"{draw.randrange(1, 400):03}",
                f"{draw.randrange(1, 31):02}",
            )
            for slot in slots
        ),
        kind=kind,
    )
    return Coded(proof, draw.choice([*KEYS]))


def _data(text: str) -> bytes:
    return base45_decode(text.removeprefix(TEXT_PREFIX))


def _text(body: bytes, signature: bytes) -> str:
    return TEXT_PREFIX + base45_encode(body + signature)


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _flipped_body(draw: random.Random, mine: Coded, _: Coded) -> str:
    return _text(_flipped(mine.body, draw.randrange(8 * len(mine.body))), mine.signature)


def _flipped_signature(draw: random.Random, mine: Coded, _: Coded) -> str:
    return _text(mine.body, _flipped(mine.signature, draw.randrange(8 * SIGNATURE_BYTES)))


def _swapped_fields(draw: random.Random, mine: Coded, other: Coded) -> str:
    """Another's number, face or seat on my ticket, under my signature."""
    field = draw.choice(("ticket_number", "photo_hash", "name_hash", "sittings"))
    value = getattr(other.proof, field)
    if value == getattr(mine.proof, field):
        field, value = "ticket_number", other.proof.ticket_number
    mixed = replace(mine.proof, **{field: value})
    return _text(Coded(mixed, mine.key_id).body, mine.signature)


def _other_key_id(_: random.Random, mine: Coded, __: Coded) -> str:
    (other,) = KEYS.keys() - {mine.key_id}
    return _text(Coded(mine.proof, other).body, mine.signature)


def _other_version(draw: random.Random, mine: Coded, _: Coded) -> str:
    newer = replace(mine.proof, version=mine.proof.version + draw.randrange(1, 9))
    return _text(Coded(newer, mine.key_id).body, mine.signature)


def _strange_key(_: random.Random, mine: Coded, __: Coded) -> str:
    return sign(mine.proof, mine.key_id, STRANGE)


def _truncated(draw: random.Random, mine: Coded, _: Coded) -> str:
    text = mine.text
    return text[: draw.randrange(len(TEXT_PREFIX) + 1, len(text))]


TAMPERS: Mapping[str, Tamper] = {
    "flipped bit of the body": _flipped_body,
    "flipped bit of the signature": _flipped_signature,
    "fields of another ticket": _swapped_fields,
    "another key id": _other_key_id,
    "another version": _other_version,
    "a strange key": _strange_key,
    "truncated": _truncated,
}


def tampered(coded: Sequence[Coded], seed: int = 0) -> Iterator[tuple[str, str]]:
    """A forged text for every ticket, by each of the ways in turn, with the way's name."""
    draw, ways = random.Random(seed), [*TAMPERS.items()]
    for at, mine in enumerate(coded):
        name, tamper = ways[at % len(ways)]
        yield name, tamper(draw, mine, coded[at - 1])


def is_accepted(text: str) -> bool:
    """Whether a scanner that knows both keys takes the text."""
    try:
        verify(text, PUBLIC)
    except ProofRejected:
        return False
    return True


@dataclass(frozen=True)
class Read:
    """What a scanner has read off a page, as printed and with the symbol 25 mm wide."""

    as_printed: str
    printed_mm: float
    small: str


def printed_pages(renderer: TicketRenderer, sheets: Sequence[TicketSheet]) -> Iterator[Read]:
    """Print the sheets and read their codes as an office's printer of 150 dpi puts them."""
    with pypdfium2.PdfDocument(renderer.render(sheets)) as pdf:
        for page in pdf:
            as_printed, pixels = _read(page, DPI)
            printed_mm = pixels / DPI * MM_PER_INCH
            small, _ = _read(page, DPI * SMALL_MM / printed_mm)
            yield Read(as_printed, printed_mm, small)


def _read(page: pypdfium2.PdfPage, dpi: float) -> tuple[str, float]:
    """The text of the page's code and its width in pixels; empty where none can be read."""
    picture = page.render(scale=dpi / POINTS_PER_INCH, grayscale=True).to_pil()
    codes = zxingcpp.read_barcodes(_one_bit(picture), formats=_QR)
    if len(codes) != 1:
        return "", 1.0
    corners = codes[0].position
    return codes[0].text, corners.top_right.x - corners.top_left.x


def _one_bit(picture: Image.Image) -> Image.Image:
    """Black or white, as toner is."""
    return picture.point(lambda level: 255 * (level >= BLACK_BELOW), "1").convert("L")
