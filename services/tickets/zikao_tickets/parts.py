"""What the methods of the service work with, put together by `main`."""

from dataclasses import dataclass, field

from zikao_kit.admission import OneAtATime
from zikao_kit.clock import Clock
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database, Transaction

from zikao_tickets.domain.person import seed_context
from zikao_tickets.domain.states import Arrangement
from zikao_tickets.rendering import RenderPool
from zikao_tickets.signing import ProofSigner
from zikao_tickets.stores.tickets import TicketStore


@dataclass(frozen=True)
class Parts:
    """One of each for a process."""

    db: Database
    keys: KeyRing
    clock: Clock
    pool: RenderPool
    signer: ProofSigner
    prints: OneAtATime = field(default_factory=OneAtATime)

    def tickets(self, tx: Transaction) -> TicketStore:
        """The ticket store of a transaction."""
        return TicketStore(tx, self.keys)

    def revealed_seed(self, arrangement: Arrangement) -> bytes:
        """The seed once it may be known, else nothing."""
        if not arrangement.is_revealed:
            return b""
        return self.keys.decrypt(arrangement.seed_enc, seed_context(arrangement.arrangement_id))
