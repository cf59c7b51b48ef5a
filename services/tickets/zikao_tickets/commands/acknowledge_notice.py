"""The candidate has read the examination notice (DOMAIN section 5)."""

from datetime import datetime
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_tickets.domain.session import Session
from zikao_tickets.stores.tickets import TicketStore


async def acknowledge_notice(
    store: TicketStore, session: Session, candidate_id: UUID, version: int, now: datetime
) -> None:
    """Note it; raises DomainError NOTICE_OUTDATED for any version but the current one."""
    if version != session.notice.version:
        raise DomainError("NOTICE_OUTDATED")
    await store.acknowledge(session.code, candidate_id, version, now)
