"""The keys of the ticket proof when a process starts."""

from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zikao_tickets.signing import ProofSigner
from zikao_tickets.stores.tickets import TicketStore


async def open_signer(store: TicketStore, now: datetime) -> ProofSigner:
    """Load the keys; the first start makes one, whichever process is first."""
    await store.lock_proof_keys()
    keys = await store.proof_keys()
    if not any(not key.retired for key in keys):
        key_id = f"{now:%Y%m}-{len(keys) + 1}"
        await store.add_proof_key(key_id, Ed25519PrivateKey.generate(), now)
        keys = await store.proof_keys()
    return ProofSigner(keys)
