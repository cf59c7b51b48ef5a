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


class OrderAction(StrEnum):
    """What candidates, deadlines and the platform do to an order."""

    # The order comes to be: no state leads here.
    SUBMIT = "submit"
    # Other courses, or another county; the order stays.
    CHANGE = "change"
    OPEN_PAYMENT = "open_payment"
    # The payment was closed at the platform, for the order is to change.
    WITHDRAW_PAYMENT = "withdraw_payment"
    CANCEL = "cancel"
    EXPIRE = "expire"
    PAY = "pay"
    CLOSE = "close"
    # A late payment took the same seats again, or those of another county.
    RECLAIM = "reclaim"
    MOVE = "move"


# The seats go back from HELD, and from CLOSING once the platform takes no money for the order any
# more: it hears only of what is PAYING. HELD may be paid all the same: money that has come counts,
# whatever we believe the platform to know.
TRANSITIONS: dict[tuple[OrderState, OrderAction], OrderState] = {
    (OrderState.HELD, OrderAction.CHANGE): OrderState.HELD,
    (OrderState.HELD, OrderAction.OPEN_PAYMENT): OrderState.PAYING,
    (OrderState.PAYING, OrderAction.OPEN_PAYMENT): OrderState.PAYING,
    (OrderState.PAYING, OrderAction.WITHDRAW_PAYMENT): OrderState.HELD,
    (OrderState.HELD, OrderAction.CANCEL): OrderState.RELEASED,
    (OrderState.PAYING, OrderAction.CANCEL): OrderState.CLOSING,
    (OrderState.HELD, OrderAction.EXPIRE): OrderState.CLOSING,
    (OrderState.PAYING, OrderAction.EXPIRE): OrderState.CLOSING,
    (OrderState.CLOSING, OrderAction.CLOSE): OrderState.RELEASED,
    (OrderState.HELD, OrderAction.PAY): OrderState.CONFIRMED,
    (OrderState.PAYING, OrderAction.PAY): OrderState.CONFIRMED,
    (OrderState.CLOSING, OrderAction.PAY): OrderState.CONFIRMED,
    (OrderState.RELEASED, OrderAction.RECLAIM): OrderState.CONFIRMED,
    (OrderState.RELEASED, OrderAction.MOVE): OrderState.CONFIRMED,
}

STATE_NAMES_ZH = {
    OrderState.HELD: "占位待缴费",
    OrderState.PAYING: "缴费中",
    OrderState.CONFIRMED: "报考成功",
    OrderState.CLOSING: "占位释放中",
    OrderState.RELEASED: "已释放",
}

# Their seats count as `held` in the ledger.
HOLDING_STATES = frozenset({OrderState.HELD, OrderState.PAYING, OrderState.CLOSING})


def next_state(state: OrderState, action: OrderAction) -> OrderState:
    """The state after `action`. Raises DomainError STATE_NOT_ALLOWED with `state` in Chinese."""
    after = TRANSITIONS.get((state, action))
    if after is None:
        raise DomainError("STATE_NOT_ALLOWED", state=STATE_NAMES_ZH[state])
    return after
