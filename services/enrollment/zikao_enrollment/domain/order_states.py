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


# The seats go back only from CLOSING, when the platform takes no money for the order any more
# (or never heard of it: it hears only of what is PAYING). HELD may be paid all the same: money
# that has come counts, whatever we believe the platform to know.
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

STATE_NAMES_ZH = {
    OrderState.HELD: "占位待缴费",
    OrderState.PAYING: "缴费中",
    OrderState.CONFIRMED: "报考成功",
    OrderState.CLOSING: "占位已到期",
    OrderState.RELEASED: "已释放",
}

# Their seats count as `held` in the ledger.
HOLDING_STATES = frozenset({OrderState.HELD, OrderState.PAYING, OrderState.CLOSING})


def next_state(state: OrderState, event: OrderEvent) -> OrderState:
    """The state after `event`. Raises DomainError STATE_NOT_ALLOWED with `state` in Chinese."""
    after = TRANSITIONS.get((state, event))
    if after is None:
        raise DomainError("STATE_NOT_ALLOWED", state=STATE_NAMES_ZH[state])
    return after
