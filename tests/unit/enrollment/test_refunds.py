"""States of refunds: what the platform and officers do to them."""

from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import pytest
from zikao_enrollment.domain.refunds import (
    STATE_NAMES_ZH,
    TRANSITIONS,
    Refund,
    RefundAction,
    RefundState,
)
from zikao_kit.errors import DomainError

NOW = datetime(2022, 2, 28, 4, tzinfo=UTC)
# A refund in each state.
REFUNDS = {
    RefundState.REQUESTED: Refund(UUID(int=1), 5, RefundState.REQUESTED),
    RefundState.REFUSED: Refund(UUID(int=1), 5, RefundState.REFUSED, None, "NOT_FOUND"),
    RefundState.REFUNDED: Refund(UUID(int=1), 5, RefundState.REFUNDED, NOW),
}
# REQUEST leads from nowhere: it is how a refund comes to be.
STEPS = {
    RefundAction.REFUND: lambda refund: refund.made(NOW),
    RefundAction.REFUSE: lambda refund: refund.refused("NOT_FOUND"),
    RefundAction.ACCEPT: lambda refund: refund.accepted(),
    RefundAction.REQUEST_AGAIN: lambda refund: refund.requested_again(),
}


@pytest.mark.parametrize(("state", "action"), list(product(RefundState, STEPS)))
def test_every_pair_moves_or_is_refused(state: RefundState, action: RefundAction) -> None:
    """A pair of the table leads to a whole refund of that state; every other one is refused."""
    before = REFUNDS[state]
    assert before.may(action) == ((state, action) in TRANSITIONS)
    if before.may(action):
        assert STEPS[action](before) == REFUNDS[TRANSITIONS[state, action]]
        return
    with pytest.raises(DomainError) as refused:
        STEPS[action](before)
    assert (refused.value.reason, refused.value.metadata) == (
        "REFUND_NOT_REFUSED",
        {"state": STATE_NAMES_ZH[state]},
    )


def test_money_that_is_back_stays_back() -> None:
    """Every state is reached from the first one, and only `refunded` is final."""
    assert {action for _, action in TRANSITIONS} == set(STEPS)
    assert set(RefundAction) - set(STEPS) == {RefundAction.REQUEST}
    assert {before for before, _ in TRANSITIONS} == set(RefundState) - {RefundState.REFUNDED}
    assert set(TRANSITIONS.values()) == set(RefundState)
