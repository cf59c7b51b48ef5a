"""Who may call what of enrollment: every method by everybody, own orders and another's."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from support.authorisation import (
    Entry,
    Named,
    NobodysData,
    OwnOnly,
    Scoped,
    Someone,
    methods_of,
    require_admitted,
    require_entries,
    require_fitting,
    require_own,
    require_scope,
    short_name,
)
from support.enrollment_money_rows import insert_refused_refund
from support.enrollment_people import JINJIANG, QINGYANG, choice, hold, open_enrollment
from support.enrollment_reconciliation import plant_difference
from support.enrollment_service import Installation
from support.service import new_id
from support.service_databases import ServiceDatabases
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import odd_payment_service_pb2 as odd_payments
from zikao.enrollment.v1 import office_service_pb2 as offices
from zikao.enrollment.v1 import order_service_pb2 as order_pb
from zikao.enrollment.v1 import reconciliation_service_pb2 as reconciliation
from zikao.enrollment.v1 import roster_service_pb2 as rosters
from zikao.enrollment.v1 import statistics_service_pb2 as statistics

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHODS = methods_of("zikao.enrollment.v1")
CERTIFICATES = (
    "operator",
    "payment-platform",
    "portal",
    "registration",
    "roster-reader",
    "scanner",
    "tickets",
)
STAFF = (
    ("county_officer", JINJIANG),
    ("county_officer", QINGYANG),
    ("city_officer", "5101"),
    ("city_officer", "5107"),
    ("province_officer", "51"),
    ("auditor", "51"),
)


@dataclass
class World:
    """Two candidates with an order each, and everybody who may try."""

    everybody: list[Someone]
    orders: dict[str, str]
    action_id: str
    difference_id: str
    refund_id: str

    @property
    def candidate(self) -> Someone:
        """Whose order is the "own" one."""
        return next(who for who in self.everybody if who.role == "candidate")


def same_seats() -> offices.ChangeCapacitiesRequest:
    """Sets seats as they are."""
    seat = offices.SeatCapacity(county_code=JINJIANG, slot=1, capacity=2)
    return offices.ChangeCapacitiesRequest(
        request_id=new_id(),
        session_code="22.1",
        county_prefix=JINJIANG,
        capacities=offices.SeatCapacities(seats=[seat]),
    )


def closing() -> offices.CloseEnrollmentRequest:
    """Closes a course in a county."""
    return offices.CloseEnrollmentRequest(
        request_id=new_id(),
        session_code="22.1",
        county_prefix=JINJIANG,
        course_code="00002",
        reason="考点维修",
    )


ENTRIES: dict[str, Entry] = {
    "AvailabilityService.WatchAvailability": NobodysData("remaining seats are everybody's"),
    "EnrollmentFeedService.WatchEnrollments": NobodysData("everybody's, to services alone"),
    "EnrollmentService.GetTimetable": NobodysData("the timetable is everybody's"),
    "EnrollmentService.GetAvailability": NobodysData("remaining seats are everybody's"),
    "EnrollmentService.SavePlan": OwnOnly(),
    "EnrollmentService.SubmitPlan": OwnOnly(),
    "EnrollmentService.SubmitEnrollment": OwnOnly(),
    "EnrollmentService.ListOrders": OwnOnly(),
    "EnrollmentService.CreatePayment": Named(
        lambda world, owner: enrollment.CreatePaymentRequest(
            request_id=new_id(), order_id=world.orders[owner]
        )
    ),
    "OrderService.ChangeOrder": Named(
        lambda world, owner: order_pb.ChangeOrderRequest(
            request_id=new_id(), order_id=world.orders[owner], choice=choice()
        )
    ),
    "OrderService.CancelOrder": Named(
        lambda world, owner: order_pb.CancelOrderRequest(
            request_id=new_id(), order_id=world.orders[owner]
        )
    ),
    "OfficeService.ChangeCapacities": Scoped(lambda _: same_seats()),
    "OfficeService.CloseEnrollment": Scoped(lambda _: closing()),
    "OfficeService.OpenEnrollment": Scoped(
        lambda _: offices.OpenEnrollmentRequest(
            request_id=new_id(), session_code="22.1", county_prefix=JINJIANG, course_code="00002"
        )
    ),
    "OfficeService.RequestRefundAgain": Scoped(
        lambda world: offices.RequestRefundAgainRequest(
            request_id=new_id(), refund_id=world.refund_id
        )
    ),
    "OfficeService.SetAdmissionRate": NobodysData("the whole province's, to it alone"),
    "OfficeService.DecideOfficeAction": Scoped(
        lambda world: offices.DecideOfficeActionRequest(
            request_id=new_id(),
            action_id=world.action_id,
            decision=offices.OFFICE_DECISION_REJECT,
        )
    ),
    "OfficeService.ListOfficeActions": Scoped(
        lambda _: offices.ListOfficeActionsRequest(county_prefix=JINJIANG)
    ),
    "RosterService.StreamRoster": Scoped(
        lambda _: rosters.StreamRosterRequest(session_code="22.1", county_prefix=JINJIANG)
    ),
    "RosterService.ExportRoster": Scoped(
        lambda _: rosters.ExportRosterRequest(session_code="22.1", county_prefix=JINJIANG)
    ),
    "StatisticsService.GetStatistics": Scoped(
        lambda _: statistics.GetStatisticsRequest(
            session_code="22.1",
            county_prefix=JINJIANG,
            grouping=statistics.STATISTICS_GROUPING_COUNTY,
        )
    ),
    "StatisticsService.ExportStatistics": Scoped(
        lambda _: statistics.ExportStatisticsRequest(
            session_code="22.1",
            county_prefix=JINJIANG,
            grouping=statistics.STATISTICS_GROUPING_COUNTY_COURSE,
        )
    ),
    "OfficeAuditService.ListOfficeAuditEntries": NobodysData("offices' acts, to auditors alone"),
    "PlaceStreamService.WatchPlace": OwnOnly(),
    "PlaceStreamService.WatchPlaces": NobodysData("each candidate's own token is shown"),
    "PortalService.SubmitEnrollments": NobodysData("each submission shows a candidate's own token"),
    "StatementService.StartStatementImport": NobodysData("the whole province's, to it alone"),
    "StatementService.ImportStatement": NobodysData("the whole province's, to it alone"),
    "StatementService.ListStatements": NobodysData("the whole province's, to it alone"),
    "ReconciliationService.ListDifferences": Scoped(
        lambda _: reconciliation.ListDifferencesRequest(county_prefix=JINJIANG)
    ),
    "OddPaymentService.ListOddPayments": Scoped(
        lambda _: odd_payments.ListOddPaymentsRequest(county_prefix=JINJIANG)
    ),
    "ReconciliationService.ResolveDifference": Scoped(
        lambda world: reconciliation.ResolveDifferenceRequest(
            request_id=new_id(),
            difference_id=world.difference_id,
            resolution=reconciliation.RESOLUTION_EXPLAINED,
            reason="已与平台核对",
        )
    ),
    "ReconciliationService.ConfirmResolution": Scoped(
        lambda world: reconciliation.ConfirmResolutionRequest(
            request_id=new_id(),
            difference_id=world.difference_id,
            proposed_at=Timestamp(seconds=1),
        )
    ),
    "ReconciliationService.GetDayTotals": Scoped(
        lambda _: reconciliation.GetDayTotalsRequest(
            county_prefix=JINJIANG, statement_date="2022-02-28"
        )
    ),
    "ReconciliationService.ExportDifferences": Scoped(
        lambda _: reconciliation.ExportDifferencesRequest(county_prefix=JINJIANG)
    ),
    "ReconciliationService.ExportComparison": Scoped(
        lambda _: reconciliation.ExportComparisonRequest(
            county_prefix=JINJIANG, statement_date="2022-02-28"
        )
    ),
    "WaitingRoomService.JoinWaitingRoom": OwnOnly(),
    "WaitingRoomService.GetPlace": OwnOnly(),
    "WaitingRoomService.GetDraw": NobodysData("what a draw is made of is everybody's"),
    "SessionService.ApplySession": NobodysData("settings, by the operator's certificate"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A running service in whose only session two candidates hold seats."""
    folder = tmp_path_factory.mktemp("authorisation")
    async with open_enrollment(service_databases.clone, folder, candidates=2) as running:
        orders = {
            "own": (await hold(running, 1)).order_id,
            "other": (await hold(running, 2)).order_id,
        }
        city = await running.officer("5101")
        await city.call(closing())
        action = (await city.call(same_seats())).action
        difference_id = await plant_difference(running, JINJIANG)
        refund_id = await insert_refused_refund(running.dsn, orders["own"], running.now())
        everybody = await _everybody(running)
        yield World(everybody, orders, action.action_id, difference_id, refund_id)
        dsn = running.dsn
    await service_databases.drop(dsn)


async def _everybody(running: Installation) -> list[Someone]:
    services = [
        Someone(f"service {name}", await running.caller(name), name) for name in CERTIFICATES
    ]
    candidate = Someone("candidate", await running.candidate(1), "portal", "candidate")
    staff = [
        Someone(
            f"{role} of {scope}",
            await running.caller("portal", token=running.token(new_id(), role, scope=scope)),
            role=role,
            scope=scope,
        )
        for role, scope in STAFF
    ]
    return [*services, candidate, *staff]


async def test_every_method_has_an_entry() -> None:
    """A new method says whose data it may be asked about, or this fails."""
    require_entries(METHODS, ENTRIES)
    for method in METHODS:
        require_fitting(method, ENTRIES[short_name(method)])


@pytest.mark.parametrize("method", METHODS, ids=short_name)
async def test_the_contract_says_who_is_let_in(world: World, method: MethodDescriptor) -> None:
    """Every role and every certificate is let in or kept out as the method's option says."""
    await require_admitted(method, world.everybody)


def methods_with(kind: type[Entry]) -> list[MethodDescriptor]:
    """The methods whose entry is of a kind."""
    return [method for method in METHODS if isinstance(ENTRIES.get(short_name(method)), kind)]


@pytest.mark.parametrize("method", methods_with(Scoped), ids=short_name)
async def test_officers_keep_to_their_scope(world: World, method: MethodDescriptor) -> None:
    """The county's, its city's and its province's officers reach it; nobody else's do."""
    entry = ENTRIES[short_name(method)]
    assert isinstance(entry, Scoped)
    await require_scope(method, lambda: entry.build(world), JINJIANG, world.everybody)


@pytest.mark.parametrize("method", methods_with(Named), ids=short_name)
async def test_nobody_reaches_what_is_anothers(world: World, method: MethodDescriptor) -> None:
    """A candidate gets to the own order; another's is not there."""
    entry = ENTRIES[short_name(method)]
    assert isinstance(entry, Named)
    own, anothers = entry.build(world, "own"), entry.build(world, "other")
    await require_own(method, world.candidate, own, anothers)
