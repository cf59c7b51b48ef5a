"""A new key signs tickets, and an old one counts no more (DOMAIN section 5)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zikao_tickets.domain.proof_key import (
    KeysRefused,
    ProofKey,
    require_retirable,
    require_rotatable,
)
from zikao_tickets.stores.proof_keys import ProofKeyStore


def new_proof_key(keys: Sequence[ProofKey], *, signs_from: datetime, now: datetime) -> ProofKey:
    """A key that the installation has not had; its id says when it was made."""
    key_id = f"{now:%Y%m}-{len(keys) + 1}"
    return ProofKey(key_id, Ed25519PrivateKey.generate(), signs_from)


async def rotate_proof_key(store: ProofKeyStore, lead: timedelta, now: datetime) -> ProofKey:
    """Add a key, which scanners are told now and which signs after `lead`.

    The keys of before go on verifying. Raises KeysRefused while another waits for its time.
    """
    await store.lock()
    keys = await store.list_all()
    require_rotatable([key for key in keys if not key.retired], now)
    key = new_proof_key(keys, signs_from=now + lead, now=now)
    await store.add(key, now)
    return key


async def retire_proof_key(store: ProofKeyStore, key_id: str, now: datetime) -> None:
    """Let nothing that the key has signed count any more.

    Raises KeysRefused for the key that signs, and while a ticket in force needs it.
    """
    await store.lock()
    keys = [key for key in await store.list_all() if not key.retired]
    require_retirable(keys, key_id, now)
    if signed := await store.signed_with(key_id):
        raise KeysRefused(f"{len(signed)} tickets in force need {key_id}")
    await store.retire(key_id, now)
