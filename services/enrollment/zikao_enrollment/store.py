"""What the service asks of its database within one transaction."""

from zikao_kit.db import Transaction

from zikao_enrollment.stores.admissions import AdmissionStore
from zikao_enrollment.stores.candidates import CandidateStore
from zikao_enrollment.stores.money import MoneyStore
from zikao_enrollment.stores.offices import office_actions, office_audit
from zikao_enrollment.stores.orders import OrderStore
from zikao_enrollment.stores.payment_orders import PaymentOrderStore
from zikao_enrollment.stores.seats import SeatStore
from zikao_enrollment.stores.sessions import SessionStore


class Store:
    """The stores that enrolling and paying work with."""

    def __init__(self, tx: Transaction) -> None:
        self.candidates = CandidateStore(tx)
        self.seats = SeatStore(tx)
        self.orders = OrderStore(tx)
        self.payment_orders = PaymentOrderStore(tx)
        self.money = MoneyStore(tx)
        self.sessions = SessionStore(tx)


class OfficeStore:
    """The stores that offices' acts work with."""

    def __init__(self, tx: Transaction) -> None:
        self.sessions = SessionStore(tx)
        self.actions = office_actions(tx)
        self.money = MoneyStore(tx)
        self.audit = office_audit(tx)
        self.admissions = AdmissionStore(tx)
