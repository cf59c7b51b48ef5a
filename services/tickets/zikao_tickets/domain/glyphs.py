"""Characters that no font has, and pictures of them that offices supply (DOMAIN section 5)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

# Of characters: every process of the service has all pictures.
MAX_GLYPHS = 2000


@dataclass(frozen=True)
class SupplyGlyph:
    """Draw this picture, a PNG, in the place of a character: in every session and county."""

    character: str
    png: bytes
    name = "supply_glyph"


class SuppliedGlyph(NamedTuple):
    """The picture of a character, and the counties of the office that has supplied it."""

    png_sha256: bytes
    county_prefix: str

    def is_of(self, county_prefix: str) -> bool:
        """Whether an office of these counties may replace it: its own, or one above."""
        return self.county_prefix.startswith(county_prefix)


class NamedTicket(NamedTuple):
    """A ticket in force whose name is to be looked at."""

    session_code: str
    candidate_id: UUID
    version: int
    ticket_number: str
    name: str


class UnprintableTicket(NamedTuple):
    """A ticket on the office's list."""

    ticket_number: str
    county_code: str
    reason: str
    characters: str
    noted_at: datetime


class UnprintableFilter(NamedTuple):
    """Which tickets: issued in counties that begin so, for a reason or for any."""

    session_code: str
    county_prefix: str
    reason: str | None


class Pictures:
    """The supplied pictures as a process knows them: `image_for` asks no database."""

    def __init__(self) -> None:
        self._by_character: Mapping[str, bytes] = {}
        self.state = ""
        """Another one for other pictures."""

    def renew(self, by_character: Mapping[str, bytes], state: str) -> None:
        """Take over what there is by now."""
        self._by_character, self.state = by_character, state

    def image_for(self, char: str) -> bytes | None:
        """The PNG of the character, or None."""
        return self._by_character.get(char)

    def undrawn(self, characters: str) -> str:
        """Those of the characters without a picture."""
        return "".join(char for char in characters if char not in self._by_character)


def glyph_id(character: str, png: bytes) -> bytes:
    """What a print keeps of a picture: SHA-256 of character and PNG."""
    return hashlib.sha256(character.encode() + png).digest()
