"""End arrangements that nobody wants any more."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.office_audit import OfficeAuditStore
from zikao_kit.tokens import Actor

from zikao_tickets.commands.find_arrangement import find_arrangement, find_operation
from zikao_tickets.domain.states import STATE_NAMES, ArrangementState
from zikao_tickets.stores.arrangements import Area, ArrangementStore

AUDITED_AS = "cancel_arrangements"
ENDED_ALL = "均已结束"


class Cancelled(NamedTuple):
    """How many have ended, and how many are about to."""

    cancelled: int
    ending: int


async def cancel_arrangements(
    store: ArrangementStore,
    audit: OfficeAuditStore,
    operation_id: UUID | None,
    arrangement_id: UUID | None,
    *,
    actor: Actor,
    now: datetime,
) -> Cancelled:
    """Cancel those of an operation, or one; what is done stays.

    Raises DomainError NOT_FOUND, OUT_OF_SCOPE, STATE_NOT_ALLOWED when none is in progress.
    """
    state = ENDED_ALL
    if operation_id is not None:
        area = await find_operation(store, operation_id, actor)
        said = {"operation_id": str(operation_id)}
    elif arrangement_id is not None:
        found = await find_arrangement(store, arrangement_id, actor)
        if found.state is ArrangementState.CANCELLED:
            return Cancelled(0, 0)
        state, area = STATE_NAMES[found.state], Area(found.session_code, found.county_code)
        said = {"arrangement_id": str(arrangement_id)}
    else:
        raise DomainError(NOT_FOUND)
    states = await store.cancel(operation_id, arrangement_id, now)
    if not states:
        raise DomainError("STATE_NOT_ALLOWED", state=state)
    ended = states.count(ArrangementState.CANCELLED)
    cancelled = Cancelled(ended, len(states) - ended)
    await audit.add(
        actor,
        AUDITED_AS,
        now,
        **area._asdict(),
        before={},
        after={**said, **cancelled._asdict()},
    )
    return cancelled
