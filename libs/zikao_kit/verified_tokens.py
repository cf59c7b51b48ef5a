"""Which access tokens have been verified: a digest of each and what it says, some 300 bytes.

A portal's stream shows thousands of tokens a second, and every one was seen before: when its
bearer saved the plan. Only the signature is remembered; whoever asks looks at life, key and
login each time.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple

# Keyed, so that nobody can look for two tokens with one digest.
_DIGEST_BYTES = 16
# In no claim that is remembered (`VerifiedTokens.remember`).
_SEPARATOR = "\x1f"


class Verified(NamedTuple):
    """What a verified token says, and the id of the key that signed it; times in epoch seconds.

    `party` is the name in the certificate of whom the token was issued through, "" for anybody.
    """

    subject: str
    role: str
    scope: str
    restricted: bool
    login_id: str
    party: str
    key_id: str
    not_before: int
    expires: int


class VerifiedTokens:
    """The last tokens that were asked for, at least `size` / 2 and at most `size` of them.

    Two generations instead of an order of use: a token of the older one moves into the younger
    when it is asked for, and when that is full the older one goes. One record a token, as text:
    objects would take three times as much.
    """

    def __init__(self, size: int) -> None:
        self._half = max(1, size // 2)
        key = secrets.token_bytes(_DIGEST_BYTES)
        self._keyed = hashlib.blake2b(key=key, digest_size=_DIGEST_BYTES)
        self._young: dict[bytes, str] = {}
        self._old: dict[bytes, str] = {}

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._young) + len(self._old)

    def recall(self, token: str) -> Verified | None:
        """What the token says; None when it is not remembered. `token` must be ASCII."""
        digest = self._digest(token)
        record = self._young.get(digest)
        if record is None:
            record = self._old.pop(digest, None)
            if record is None:
                return None
            self._keep(digest, record)
        return _from_record(record)

    def remember(self, token: str, verified: Verified) -> None:
        """Keep what a verified token says, unless a claim of it holds what separates claims."""
        record = _SEPARATOR.join(
            (*verified[:3], "1" if verified.restricted else "", *map(str, verified[4:]))
        )
        if record.count(_SEPARATOR) == len(Verified._fields) - 1:
            self._keep(self._digest(token), record)

    def clear(self) -> None:
        """Forget all of them."""
        self._young, self._old = {}, {}

    def _keep(self, digest: bytes, record: str) -> None:
        if len(self._young) >= self._half:
            self._young, self._old = {}, self._young
        self._young[digest] = record

    def _digest(self, token: str) -> bytes:
        digest = self._keyed.copy()
        digest.update(token.encode("ascii"))
        return digest.digest()


def _from_record(record: str) -> Verified:
    subject, role, scope, restricted, login_id, party, key_id, begin, end = record.split(_SEPARATOR)
    return Verified(
        subject, role, scope, restricted != "", login_id, party, key_id, int(begin), int(end)
    )
