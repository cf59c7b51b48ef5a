"""What the service asks of its database within one transaction."""

from zikao_kit.db import Transaction

from zikao_enrollment.stores.candidates import CandidateStore
from zikao_enrollment.stores.money import MoneyStore
from zikao_enrollment.stores.orders import OrderStore
from zikao_enrollment.stores.seats import SeatStore


class Store:
    """The stores that enrolling and paying work with; sessions have `SessionStore`."""

    def __init__(self, tx: Transaction) -> None:
        self.candidates = CandidateStore(tx)
        self.seats = SeatStore(tx)
        self.orders = OrderStore(tx)
        self.money = MoneyStore(tx)
