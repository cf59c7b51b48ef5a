"""States of orders, and what becomes of money."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao_enrollment.domain.money import Disposition, disposition
from zikao_enrollment.domain.order_states import (
    HOLDING_STATES,
    STATE_NAMES_ZH,
    TRANSITIONS,
    OrderAction,
    OrderState,
    next_state,
)
from zikao_kit.errors import DomainError

FEE_FEN = 7000
PAYMENT_EVENTS = (OrderAction.PAY, OrderAction.RECLAIM, OrderAction.MOVE)


@pytest.mark.parametrize(("state", "event"), list(product(OrderState, OrderAction)))
def test_every_pair_moves_or_is_refused(state: OrderState, event: OrderAction) -> None:
    """A pair of the table moves as it says; every other one is STATE_NOT_ALLOWED."""
    if (state, event) in TRANSITIONS:
        assert next_state(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(DomainError) as refused:
            next_state(state, event)
        assert (refused.value.reason, refused.value.metadata) == (
            "STATE_NOT_ALLOWED",
            {"state": STATE_NAMES_ZH[state]},
        )


def test_walk_reaches_every_state() -> None:
    """From `held` every state can be reached, and only `confirmed` is final."""
    reached, frontier = {OrderState.HELD}, [OrderState.HELD]
    while frontier:
        state = frontier.pop()
        after = {target for (source, _), target in TRANSITIONS.items() if source is state}
        frontier += after - reached
        reached |= after
        assert after or state is OrderState.CONFIRMED
    assert reached == set(OrderState)


def test_seats_go_back_only_while_the_platform_takes_no_money() -> None:
    """They go back from `closing` by the platform's word, and from `held`: it has no order then."""
    into = {pair for pair, after in TRANSITIONS.items() if after is OrderState.RELEASED}
    assert into == {
        (OrderState.CLOSING, OrderAction.CLOSE),
        (OrderState.HELD, OrderAction.CANCEL),
    }
    opening = {before for before, action in TRANSITIONS if action is OrderAction.OPEN_PAYMENT}
    assert opening == {OrderState.HELD, OrderState.PAYING}


def test_only_money_confirms() -> None:
    """`confirmed` is entered by a payment alone, from every state that holds seats."""
    into = {pair for pair, after in TRANSITIONS.items() if after is OrderState.CONFIRMED}
    assert {event for _, event in into} == set(PAYMENT_EVENTS)
    assert {state for state, event in into if event is OrderAction.PAY} == HOLDING_STATES


@given(
    st.lists(
        st.one_of(
            st.sampled_from([event for event in OrderAction if event not in PAYMENT_EVENTS]),
            st.sampled_from([FEE_FEN, FEE_FEN, 1, FEE_FEN + 1]),
        )
    ),
    st.booleans(),
)
def test_every_fen_is_a_confirmed_fee_or_a_refund(
    history: list[OrderAction | int], seats_free: bool
) -> None:
    """Whatever happens in whatever order: payments = fee of a confirmed order + refunds."""
    state, received, refunded = OrderState.HELD, 0, 0
    for step in history:
        if isinstance(step, OrderAction):
            state = TRANSITIONS.get((state, step), state)
            continue
        received += step
        what = disposition(state, FEE_FEN, step)
        if what is Disposition.APPLY:
            state = next_state(state, OrderAction.PAY)
        elif what is Disposition.RECLAIM and seats_free:
            state = next_state(state, OrderAction.RECLAIM)
        else:
            refunded += step
    confirmed = FEE_FEN if state is OrderState.CONFIRMED else 0
    assert received == confirmed + refunded


@pytest.mark.parametrize("state", list(OrderState))
def test_another_amount_goes_back(state: OrderState) -> None:
    """An amount that is not the fee is refunded, in every state."""
    assert disposition(state, FEE_FEN, FEE_FEN - 1) is Disposition.REFUND


def test_a_second_payment_goes_back() -> None:
    """A confirmed order takes no more money."""
    assert disposition(OrderState.CONFIRMED, FEE_FEN, FEE_FEN) is Disposition.REFUND
