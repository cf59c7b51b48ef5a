"""Where recoveries and activations are worked on: their stores, in one transaction."""

from dataclasses import dataclass

from zikao_kit.crypto import KeyRing
from zikao_kit.db import Transaction

from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.messages import MessageStore
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.recoveries import RecoveryStore
from zikao_registration.stores.registrations import Store


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
