"""Moves refunds from state to state, each time with a line of history (DOMAIN section 4)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_enrollment.domain.money import PLATFORM, RefundOwed
from zikao_enrollment.domain.refunds import Refund, RefundAction, RefundMove
from zikao_enrollment.stores.money import MoneyStore


async def make_refunds(store: MoneyStore, made: Mapping[UUID, datetime], now: datetime) -> None:
    """The platform says when money went back; what is back already stays as it is."""
    action = RefundAction.REFUND
    moves = [
        RefundMove(refund, refund.made(made[refund.refund_id]), action, PLATFORM)
        for refund in await store.lock_refunds(made)
        if refund.may(action)
    ]
    await _store(store, moves, now)


async def refuse_refund(store: MoneyStore, owed: RefundOwed, reason: str, now: datetime) -> None:
    """The platform has said no; what is older than the last request of it is not heard.

    The same no again is no step, and leaves no line.
    """
    action = RefundAction.REFUSE
    refund = await store.lock_leased_refund(owed)
    if refund and refund.may(action) and refund.refusal != reason:
        await _store(store, [RefundMove(refund, refund.refused(reason), action, PLATFORM)], now)


async def accept_refund(store: MoneyStore, owed: RefundOwed, now: datetime) -> None:
    """The platform works on it, maybe after a no; heard as `refuse_refund` is."""
    action = RefundAction.ACCEPT
    refund = await store.lock_leased_refund(owed)
    if refund and refund.may(action):
        await _store(store, [RefundMove(refund, refund.accepted(), action, PLATFORM)], now)


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
        await store.ask_for_refund_now(refund_id)
    return before, after


async def _store(store: MoneyStore, moves: Sequence[RefundMove], now: datetime) -> None:
    if moves:
        await store.update_refunds([move.after for move in moves])
        await store.insert_refund_events([move.event for move in moves], now)
