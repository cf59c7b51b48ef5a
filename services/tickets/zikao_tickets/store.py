"""What offices and the operator work with, within one transaction."""

from collections.abc import Mapping

from zikao_kit.db import Transaction

from zikao_tickets.domain.office_acts import Effect, Handler, Order
from zikao_tickets.stores.offices import office_actions, office_audit
from zikao_tickets.stores.sessions import SessionStore
from zikao_tickets.stores.sites import SiteStore


class OfficeStore:
    """The stores, and who carries the acts out: by name, bound to the same transaction."""

    def __init__(self, tx: Transaction, handlers: Mapping[str, Handler]) -> None:
        self.sessions = SessionStore(tx)
        self.sites = SiteStore(tx)
        self.actions = office_actions(tx)
        self.audit = office_audit(tx)
        self._handlers = handlers

    async def perform(self, order: Order) -> Effect:
        """Carry an act out, or see only whether it could be; raises what its handler does."""
        return await self._handlers[order.proposal.act.name](order)
