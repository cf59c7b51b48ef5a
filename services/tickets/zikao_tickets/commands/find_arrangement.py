"""An arrangement, or an operation on many, that an officer names."""

from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.tokens import Actor

from zikao_tickets.domain.states import Arrangement
from zikao_tickets.stores.arrangements import Area, ArrangementStore


async def find_arrangement(
    store: ArrangementStore, arrangement_id: UUID, actor: Actor
) -> Arrangement:
    """The arrangement; raises DomainError NOT_FOUND and OUT_OF_SCOPE."""
    return in_scope(await store.load(arrangement_id), actor)


def in_scope(arrangement: Arrangement | None, actor: Actor) -> Arrangement:
    """The arrangement, if there is one and the officer's scope has its county."""
    if arrangement is None:
        raise DomainError(NOT_FOUND)
    actor.require_scope(arrangement.county_code)
    return arrangement


async def find_operation(store: ArrangementStore, operation_id: UUID, actor: Actor) -> Area:
    """Where an operation is; raises DomainError NOT_FOUND and OUT_OF_SCOPE."""
    area = await store.operation_area(operation_id)
    if area is None:
        raise DomainError(NOT_FOUND)
    actor.require_scope(area.county_prefix)
    return area
