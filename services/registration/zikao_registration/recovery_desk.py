"""Where recoveries and activations are worked on: their stores, in one transaction."""

from dataclasses import dataclass

from zikao_kit.crypto import KeyRing
from zikao_kit.db import Transaction

from zikao_registration.account_store import AccountStore
from zikao_registration.message_store import MessageStore
from zikao_registration.older_store import OlderStore
from zikao_registration.recovery_store import RecoveryStore
from zikao_registration.store import Store


@dataclass(frozen=True)
class RecoveryDesk:
    """Lock in this order: candidate, account, recovery."""

    accounts: AccountStore
    candidates: Store
    recoveries: RecoveryStore
    messages: MessageStore
    older: OlderStore

    @classmethod
    def of(cls, tx: Transaction, keys: KeyRing) -> "RecoveryDesk":
        """Those of a transaction."""
        return cls(
            AccountStore(tx, keys),
            Store(tx, keys),
            RecoveryStore(tx, keys),
            MessageStore(tx, keys),
            OlderStore(tx, keys),
        )
