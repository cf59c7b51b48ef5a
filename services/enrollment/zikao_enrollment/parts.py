"""What the methods of the service work with, put together by `main`."""

from dataclasses import dataclass
from datetime import timedelta

from zikao_kit.admission import Admission
from zikao_kit.clock import Clock
from zikao_kit.counting import Counting
from zikao_kit.db import Database
from zikao_kit.tokens import TokenVerifier

from zikao_enrollment.clients import PlatformClient
from zikao_enrollment.domain.statistics import Figures
from zikao_enrollment.money.payments import Payments
from zikao_enrollment.money.statement_days import StatementDays
from zikao_enrollment.money.till import Till
from zikao_enrollment.money.withdrawals import Withdrawals
from zikao_enrollment.office_door import OfficeDoor
from zikao_enrollment.seats.newcomers import Newcomers
from zikao_enrollment.seats.submitting import Submitting
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.views.showcase import Showcase
from zikao_enrollment.views.spectators import Spectators
from zikao_enrollment.waiting.arrivals import Arrivals
from zikao_enrollment.waiting.joining import Joining
from zikao_enrollment.waiting.onlookers import Onlookers
from zikao_enrollment.waiting.rooms import Rooms


@dataclass(frozen=True)
class Parts:
    """One of each for a process."""

    db: Database
    clock: Clock
    boards: Boards
    rooms: Rooms
    joining: Joining
    onlookers: Onlookers
    arrivals: Arrivals
    showcase: Showcase
    spectators: Spectators
    # How the calls of this process get on.
    admission: Admission
    verifier: TokenVerifier
    submitting: Submitting
    # How many submissions a portal's stream may have under way.
    stream_submissions: int
    newcomers: Newcomers
    platform: PlatformClient
    payments: Payments
    till: Till
    withdrawals: Withdrawals
    statistics: Counting[Figures]
    office_door: OfficeDoor
    office_action_lifetime: timedelta
    statements: StatementDays
