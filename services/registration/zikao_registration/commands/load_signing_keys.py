"""The keys of access tokens: made by the first process to start, and anew from time to time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zikao_registration.domain.signing_keys import SigningRotation
from zikao_registration.stores.accounts import AccountStore, StoredSigningKey

# Keys come and go only when somebody says so.
NO_ROTATION = SigningRotation(None, longest_token=timedelta(days=36_500))


async def load_signing_keys(
    accounts: AccountStore, now: datetime, rotation: SigningRotation = NO_ROTATION
) -> list[StoredSigningKey]:
    """Every key whose tokens are accepted, the one that signs first; at least one.

    Makes one when it is time for it, and lets those go that nobody needs any more.
    """
    keys = await accounts.list_signing_keys()
    times = _times(keys)
    if rotation.is_due(times, now) or rotation.needed(times, now) < len(keys):
        await accounts.lock_signing_keys()
        # Another process may have done it while we waited.
        keys = await accounts.list_signing_keys()
        if rotation.is_due(_times(keys), now):
            keys = [await add_signing_key(accounts, now), *keys]
        needed = rotation.needed(_times(keys), now)
        await accounts.delete_signing_keys([key.key_id for key in keys[needed:]])
        keys = keys[:needed]
    signing = keys[rotation.signing(_times(keys), now)]
    return [signing, *(key for key in keys if key is not signing)]


async def add_signing_key(accounts: AccountStore, now: datetime) -> StoredSigningKey:
    """One more key."""
    key = Ed25519PrivateKey.generate()
    made = StoredSigningKey(
        uuid4().hex[:16], key.private_bytes_raw(), key.public_key().public_bytes_raw(), now
    )
    await accounts.insert_signing_key(made)
    return made


async def replace_signing_keys(accounts: AccountStore, now: datetime) -> StoredSigningKey:
    """A key in the place of all there are: their tokens count no more, people refresh them."""
    await accounts.lock_signing_keys()
    before = await accounts.list_signing_keys()
    made = await add_signing_key(accounts, now)
    await accounts.delete_signing_keys([key.key_id for key in before])
    return made


def _times(keys: Sequence[StoredSigningKey]) -> list[datetime]:
    return [key.made_at for key in keys]
