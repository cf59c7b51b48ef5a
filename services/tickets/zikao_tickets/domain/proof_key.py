"""A key with which ticket proofs are signed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Of the first key: a rehearsal may move its clock to before the installation was made.
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ProofKey:
    """A key of the proof: known to scanners before `signs_from`; a retired one counts no more."""

    key_id: str
    private_key: Ed25519PrivateKey
    signs_from: datetime
    retired: bool = False


class KeysRefused(Exception):  # noqa: N818 - says what happened
    """The keys cannot be changed so; the text says why, for an operator."""


def key_epoch(keys: Sequence[ProofKey]) -> int:
    """A number that grows whenever one is added or retired; `keys` are all there have been."""
    return len(keys) + sum(key.retired for key in keys)


def signing_key(keys: Sequence[ProofKey], now: datetime) -> ProofKey:
    """The last whose time has come; `keys` are not retired, by `signs_from`, at least one.

    Where the time of none has come, since a clock was set back, the first signs.
    """
    return next((key for key in reversed(keys) if key.signs_from <= now), keys[0])


def require_rotatable(keys: Sequence[ProofKey], now: datetime) -> None:
    """Raise KeysRefused while a key waits for its time: the one before it would never sign."""
    if waiting := [key for key in keys if key.signs_from > now]:
        key = waiting[-1]
        raise KeysRefused(f"{key.key_id} signs from {key.signs_from:%Y-%m-%d %H:%M:%S} UTC on")


def require_retirable(keys: Sequence[ProofKey], key_id: str, now: datetime) -> None:
    """Raise KeysRefused for a key that is not there and for the one that signs."""
    known = [key.key_id for key in keys]
    if key_id not in known:
        raise KeysRefused(f"there is no key {key_id}; the keys are {', '.join(known)}")
    if key_id == signing_key(keys, now).key_id:
        raise KeysRefused(f"{key_id} signs: run rotate-proof-key first")
