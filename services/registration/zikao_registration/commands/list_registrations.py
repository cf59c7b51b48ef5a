"""An office's list, masked; who looks for one person is audited (DOMAIN sections 3 and 7)."""

from datetime import datetime
from uuid import UUID

from zikao_kit.tokens import Actor

from zikao_registration.domain.work_list import QueueFilter, QueuePage, QueuePlace
from zikao_registration.stores.work_lists import WorkListStore

DEFAULT_PAGE_SIZE = 50


async def list_registrations(
    lists: WorkListStore,
    wanted: QueueFilter,
    after: QueuePlace | None,
    page_size: int,
    *,
    actor: Actor,
    now: datetime,
) -> QueuePage:
    """A page of registrations, in full: the caller masks them. Raises DomainError OUT_OF_SCOPE.

    Ordered by a time that only ever grows, up to that of the first page: a row that moves
    leaves the list, and cannot come twice.
    """
    actor.require_scope(wanted.area)
    size = page_size or DEFAULT_PAGE_SIZE
    page = await lists.list_page(wanted, UUID(actor.subject), after, now, size)
    if wanted.is_search:
        found = [each.candidate_id for each in page.registrations]
        by = "ticket_number" if wanted.ticket_number else "document"
        await lists.registrations.audit(
            actor, "find_registration", now, *found, after={"by": by}, county_code=wanted.area
        )
    return page
