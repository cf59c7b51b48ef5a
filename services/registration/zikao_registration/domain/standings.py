"""How the standing of a study record may change (DOMAIN section 3, Standing)."""

from __future__ import annotations

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


def _not_allowed(before: Standing, after: Standing) -> DomainError:
    names = STANDING_NAMES_ZH
    return DomainError("STANDING_NOT_ALLOWED", before=names[before], after=names[after])
