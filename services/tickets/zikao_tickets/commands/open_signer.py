"""The keys of the ticket proof when a process starts."""

from zikao_kit.clock import Clock

from zikao_tickets.commands.rotate_proof_key import new_proof_key
from zikao_tickets.domain.proof_key import ALWAYS
from zikao_tickets.signing import ProofSigner
from zikao_tickets.stores.proof_keys import ProofKeyStore


async def open_signer(store: ProofKeyStore, clock: Clock) -> ProofSigner:
    """Load the keys; the first start makes one, whichever process is first."""
    await store.lock()
    keys = await store.list_all()
    if not any(not key.retired for key in keys):
        now = clock.now()
        keys.append(new_proof_key(keys, signs_from=ALWAYS, now=now))
        await store.add(keys[-1], now)
    return ProofSigner(keys, clock)
