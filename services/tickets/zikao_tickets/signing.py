"""The keys of the ticket proof: one signs, all verify."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from zikao_tickets.domain.ticket import Ticket, proof_of
from zikao_tickets.proof import sign
from zikao_tickets.ticket_store import ProofKey, TicketStore


class ProofSigner:
    """Signs with the youngest key that is not retired."""

    def __init__(self, keys: Sequence[ProofKey]) -> None:
        self._key = [key for key in keys if not key.retired][-1]
        self.public_keys: Mapping[str, Ed25519PublicKey] = {
            key.key_id: key.private_key.public_key() for key in keys
        }

    def sign(self, ticket: Ticket, session_code: str, jpeg: bytes) -> str:
        """The text of the QR code: the one of the first print, or a new one."""
        if ticket.proof is not None:
            return ticket.proof
        proof = proof_of(ticket, session_code, jpeg)
        return sign(proof, self._key.key_id, self._key.private_key)


async def open_signer(store: TicketStore, now: datetime) -> ProofSigner:
    """Load the keys; the first start makes one, whichever process is first."""
    await store.lock_proof_keys()
    keys = await store.proof_keys()
    if not any(not key.retired for key in keys):
        key_id = f"{now:%Y%m}-{len(keys) + 1}"
        await store.add_proof_key(key_id, Ed25519PrivateKey.generate(), now)
        keys = await store.proof_keys()
    return ProofSigner(keys)
