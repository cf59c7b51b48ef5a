"""Takes over the keys of the proof that an operator has added or retired."""

from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database

from zikao_tickets.signing import ProofSigner
from zikao_tickets.stores.proof_keys import ProofKeyStore


class ProofKeyWatch:
    """A new key is here long before it signs."""

    def __init__(self, db: Database, keys: KeyRing, signer: ProofSigner) -> None:
        self._db = db
        self._keys = keys
        self._signer = signer

    async def work(self) -> bool:
        """Read the keys; always False: there is never more at once."""
        async with self._db.read() as tx:
            keys = await ProofKeyStore(tx, self._keys).list_all()
        self._signer.renew(keys)
        return False
