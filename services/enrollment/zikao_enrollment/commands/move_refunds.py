"""Moves refunds from state to state, each time with a line of history (DOMAIN section 4)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_enrollment.domain.money import PLATFORM
from zikao_enrollment.domain.refunds import Refund, RefundAction, RefundMove
from zikao_enrollment.stores.money import MoneyStore

# What the platform has refused it will mostly refuse again until people have seen to it.
REFUSED_PAUSE = timedelta(hours=1)
AT_ONCE = timedelta(0)


async def make_refunds(store: MoneyStore, made: Mapping[UUID, datetime], now: datetime) -> None:
    """The platform says when money went back; what is back already stays as it is."""
    action = RefundAction.REFUND
    moves = [
        RefundMove(refund, refund.made(made[refund.refund_id]), action, PLATFORM)
        for refund in await store.lock_refunds(made)
        if refund.may(action)
    ]
    await _store(store, moves, now)


async def refuse_refund(store: MoneyStore, refund_id: UUID, reason: str, now: datetime) -> None:
    """The platform has said no; it is asked again after REFUSED_PAUSE all the same.

    The same no again is no step, and leaves no line.
    """
    action = RefundAction.REFUSE
    refunds = [each for each in await store.lock_refunds([refund_id]) if each.may(action)]
    moves = [
        RefundMove(refund, refund.refused(reason), action, PLATFORM)
        for refund in refunds
        if refund.refusal != reason
    ]
    await _store(store, moves, now)
    for refund in refunds:
        await store.ask_for_refund_after(refund.refund_id, REFUSED_PAUSE)


async def request_refund_again(
    store: MoneyStore, refund_id: UUID, *, officer: str, now: datetime, dry_run: bool
) -> tuple[Refund, Refund]:
    """Let the platform be asked at once; the refund before and after.

    With `dry_run` see only whether it could be. Raises DomainError NOT_FOUND, REFUND_NOT_REFUSED.
    """
    before = next(iter(await store.lock_refunds([refund_id])), None)
    if before is None:
        raise DomainError(NOT_FOUND)
    after = before.requested_again()
    if not dry_run:
        move = RefundMove(before, after, RefundAction.REQUEST_AGAIN, officer)
        await _store(store, [move], now)
        await store.ask_for_refund_after(refund_id, AT_ONCE)
    return before, after


async def _store(store: MoneyStore, moves: Sequence[RefundMove], now: datetime) -> None:
    if moves:
        await store.update_refunds([move.after for move in moves])
        await store.insert_refund_events([move.event for move in moves], now)
