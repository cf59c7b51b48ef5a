"""What the service asks of its database within one transaction."""

from zikao_kit.db import Transaction

from zikao_enrollment.candidate_store import CandidateStore
from zikao_enrollment.money_store import MoneyStore
from zikao_enrollment.order_store import OrderStore
from zikao_enrollment.seat_store import SeatStore


class Store:
    """The stores that enrolling and paying work with; sessions have `SessionStore`."""

    def __init__(self, tx: Transaction) -> None:
        self.candidates = CandidateStore(tx)
        self.seats = SeatStore(tx)
        self.orders = OrderStore(tx)
        self.money = MoneyStore(tx)
