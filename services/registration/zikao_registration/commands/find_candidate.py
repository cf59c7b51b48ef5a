"""One approved candidate, for a service whose feed has not brought it yet."""

from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_registration.domain.registration import Registration
from zikao_registration.stores.registrations import Store


async def find_candidate(store: Store, candidate_id: UUID) -> Registration:
    """The registration; raises DomainError NOT_FOUND for one without a ticket number."""
    registration = await store.get_registration(candidate_id)
    if not registration.ticket_number:
        raise DomainError(NOT_FOUND)
    return registration
