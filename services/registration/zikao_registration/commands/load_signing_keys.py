"""The keys of access tokens; the first process to start makes the first one."""

from datetime import datetime
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zikao_registration.stores.accounts import AccountStore, StoredSigningKey


async def load_signing_keys(accounts: AccountStore, now: datetime) -> list[StoredSigningKey]:
    """Every key whose tokens are accepted, the newest first; at least one."""
    keys = await accounts.list_signing_keys()
    if keys:
        return keys
    await accounts.lock_signing_keys()
    # Another process may have made it while we waited.
    keys = await accounts.list_signing_keys()
    if not keys:
        keys = [_new_key()]
        await accounts.insert_signing_key(keys[0], now)
    return keys


def _new_key() -> StoredSigningKey:
    key = Ed25519PrivateKey.generate()
    public_key = key.public_key().public_bytes_raw()
    return StoredSigningKey(uuid4().hex[:16], key.private_bytes_raw(), public_key)
