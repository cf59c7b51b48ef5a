"""The states of an order and what moves it, as data (DOMAIN section 4)."""

from enum import StrEnum

from zikao_kit.errors import DomainError


class OrderState(StrEnum):
    """Where an order stands; the names are those of the contract."""

    HELD = "held"
    PAYING = "paying"
    CONFIRMED = "confirmed"
    CLOSING = "closing"
    RELEASED = "released"


class OrderEvent(StrEnum):
    """What can happen to an order."""

    OPEN_PAYMENT = "open_payment"
    EXPIRE = "expire"
    PAY = "pay"
    CLOSE = "close"
    RECLAIM = "reclaim"


# The seats go back only from CLOSING, when the platform has said that it will take no money
# any more. HELD may be paid: the platform may have the order though our answer was lost.
TRANSITIONS: dict[tuple[OrderState, OrderEvent], OrderState] = {
    (OrderState.HELD, OrderEvent.OPEN_PAYMENT): OrderState.PAYING,
    (OrderState.PAYING, OrderEvent.OPEN_PAYMENT): OrderState.PAYING,
    (OrderState.HELD, OrderEvent.PAY): OrderState.CONFIRMED,
    (OrderState.PAYING, OrderEvent.PAY): OrderState.CONFIRMED,
    (OrderState.CLOSING, OrderEvent.PAY): OrderState.CONFIRMED,
    (OrderState.HELD, OrderEvent.EXPIRE): OrderState.CLOSING,
    (OrderState.PAYING, OrderEvent.EXPIRE): OrderState.CLOSING,
    (OrderState.CLOSING, OrderEvent.CLOSE): OrderState.RELEASED,
    (OrderState.RELEASED, OrderEvent.RECLAIM): OrderState.CONFIRMED,
}

# Their seats count as `held` in the ledger.
HOLDING_STATES = frozenset({OrderState.HELD, OrderState.PAYING, OrderState.CLOSING})


def next_state(state: OrderState, event: OrderEvent) -> OrderState:
    """The state after `event`. Raises DomainError STATE_NOT_ALLOWED with `state`."""
    after = TRANSITIONS.get((state, event))
    if after is None:
        raise DomainError("STATE_NOT_ALLOWED", state=state)
    return after
