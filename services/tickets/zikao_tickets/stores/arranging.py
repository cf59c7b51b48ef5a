"""What arranging and publishing are done with, within one transaction."""

from typing import NamedTuple, Self

from zikao_kit.db import Transaction

from zikao_tickets.stores.arrangements import ArrangementStore
from zikao_tickets.stores.publishing import PublishingStore
from zikao_tickets.stores.seating import SeatingStore
from zikao_tickets.stores.versions import VersionStore


class ArrangingStores(NamedTuple):
    """The stores, bound to the same transaction."""

    arrangements: ArrangementStore
    seating: SeatingStore
    publishing: PublishingStore
    versions: VersionStore

    @classmethod
    def of(cls, tx: Transaction) -> Self:
        """Those of a transaction."""
        return cls(ArrangementStore(tx), SeatingStore(tx), PublishingStore(tx), VersionStore(tx))
