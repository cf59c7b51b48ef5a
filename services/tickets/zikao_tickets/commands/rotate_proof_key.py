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
from zikao_tickets.domain.versions import Issue, TicketReason
from zikao_tickets.stores.proof_keys import ProofKeyStore
from zikao_tickets.stores.versions import VersionStore

RETIRED = Issue(TicketReason.KEY_RETIRED, kind=None, without_photo=None)


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


async def retire_proof_key(
    store: ProofKeyStore, versions: VersionStore, key_id: str, now: datetime, *, reissue: bool
) -> int:
    """Let nothing that the key has signed count any more; how many tickets it had signed.

    With `reissue` each ticket in force that needs it becomes a new version, to be printed again.
    Raises KeysRefused for the key that signs, and without `reissue` while a ticket needs it.
    """
    await store.lock()
    keys = [key for key in await store.list_all() if not key.retired]
    require_retirable(keys, key_id, now)
    # First: whoever prints with the key until then is waited for, and counted.
    await store.retire(key_id, now)
    for county in await store.signed_with(key_id):
        await versions.lock_county(*county)
    signed = await store.signed_with(key_id)
    count = sum(map(len, signed.values()))
    if count and not reissue:
        raise KeysRefused(f"{count} tickets in force need {key_id}; --reissue replaces them")
    for (session_code, _), candidates in signed.items():
        await versions.issue_next(session_code, candidates, RETIRED, issued_by="", now=now)
    return count
