"""How the standing of a study record may change (DOMAIN section 3, Standing)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from zikao_kit.errors import DomainError

from zikao_registration.domain.registration import Standing

TRANSITIONS: dict[Standing, frozenset[Standing]] = {
    Standing.ACTIVE: frozenset({Standing.BLOCKED, Standing.TRANSFER_REQUESTED, Standing.GRADUATED}),
    Standing.BLOCKED: frozenset({Standing.ACTIVE}),
    Standing.TRANSFER_REQUESTED: frozenset({Standing.ACTIVE, Standing.TRANSFERRED_OUT}),
    Standing.GRADUATED: frozenset(),
    Standing.TRANSFERRED_OUT: frozenset(),
}
# These end the ticket number: the person registers anew for another one.
ENDING = frozenset({Standing.GRADUATED, Standing.TRANSFERRED_OUT})

# Of one candidate: each is an event that all services read.
TRANSFER_REQUESTS, TRANSFER_WINDOW = 3, timedelta(days=1)

STANDING_NAMES_ZH = {
    Standing.ACTIVE: "正常",
    Standing.BLOCKED: "暂停报考",
    Standing.TRANSFER_REQUESTED: "转出申请中",
    Standing.TRANSFERRED_OUT: "已转出",
    Standing.GRADUATED: "已毕业",
}


def require_change(before: Standing, after: Standing) -> None:
    """Raise STANDING_NOT_ALLOWED, naming both in Chinese, for a change that there is not."""
    if after not in TRANSITIONS[before]:
        raise _not_allowed(before, after)


def require_withdrawal(before: Standing) -> None:
    """Raise STANDING_NOT_ALLOWED without an open request: it is no way out of a block."""
    if before is not Standing.TRANSFER_REQUESTED:
        raise _not_allowed(before, Standing.ACTIVE)


def require_few_transfers(requested_at: Sequence[datetime], now: datetime) -> None:
    """Raise TRANSFER_LIMIT, saying when the next is taken, after as many requests as a day has.

    `requested_at` are those since `now - TRANSFER_WINDOW`, the last one first.
    """
    if len(requested_at) >= TRANSFER_REQUESTS:
        retry_at = requested_at[TRANSFER_REQUESTS - 1] + TRANSFER_WINDOW
        raise DomainError(
            "TRANSFER_LIMIT",
            retry_after=retry_at - now,
            limit=str(TRANSFER_REQUESTS),
            retry_at=retry_at.isoformat(),
        )


def _not_allowed(before: Standing, after: Standing) -> DomainError:
    names = STANDING_NAMES_ZH
    return DomainError("STANDING_NOT_ALLOWED", before=names[before], after=names[after])
