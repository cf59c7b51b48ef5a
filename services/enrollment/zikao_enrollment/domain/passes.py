"""Admission passes: what shows that it was a candidate's turn, without asking anybody.

"zkp1." and, in URL-safe base64 without padding: track, candidate, number, end in seconds since
1970, then 16 bytes of an HMAC-SHA256 over the session and these. The key is the room's own.
"""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from datetime import UTC, datetime
from hashlib import sha256
from math import floor
from typing import NamedTuple
from uuid import UUID

from zikao_enrollment.domain.timetable import Track

PREFIX = "zkp1."
MAX_PASS_CHARACTERS = 120
_BODY = struct.Struct(">B16sIQ")
_MAC_BYTES = 16
_TRACKS = {1: Track.SOCIAL, 2: Track.APPLIED}
_NUMBERS = {track: number for number, track in _TRACKS.items()}


class Pass(NamedTuple):
    """What a pass says; in whole seconds."""

    track: Track
    candidate_id: UUID
    number: int
    expires_at: datetime


def pass_to_text(held: Pass, session_code: str, key: bytes) -> str:
    """The pass as the candidate shows it."""
    body = _BODY.pack(
        _NUMBERS[held.track],
        held.candidate_id.bytes,
        held.number,
        floor(held.expires_at.timestamp()),
    )
    signed = body + _mac(session_code, body, key)
    return PREFIX + urlsafe_b64encode(signed).rstrip(b"=").decode()


class Shown:
    """A pass that somebody shows: what it says, and whether that is true."""

    def __init__(self, text: str) -> None:
        """Raise ValueError for what is no pass at all."""
        if not text.startswith(PREFIX) or len(text) > MAX_PASS_CHARACTERS or not text.isascii():
            raise ValueError("no admission pass")
        encoded = text.removeprefix(PREFIX)
        try:
            signed = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
            track, candidate, number, expires = _BODY.unpack(signed[:-_MAC_BYTES])
            self.says = Pass(
                _TRACKS[track],
                UUID(bytes=candidate),
                number,
                datetime.fromtimestamp(expires, UTC),
            )
        except (NotBase64, struct.error, KeyError, OverflowError, OSError) as error:
            raise ValueError("no admission pass") from error
        self._body, self._mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]

    def is_of(self, session_code: str, key: bytes) -> bool:
        """Whether the room of the session with this key has given it out."""
        return hmac.compare_digest(self._mac, _mac(session_code, self._body, key))


def _mac(session_code: str, body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, session_code.encode() + b"\0" + body, sha256)[:_MAC_BYTES]
