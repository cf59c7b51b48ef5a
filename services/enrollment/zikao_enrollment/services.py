"""The gRPC services of enrollment, and what answers each."""

from collections.abc import Callable, Sequence
from typing import Any

from zikao.enrollment.v1 import (
    availability_service_pb2,
    availability_service_pb2_grpc,
    enrollment_feed_service_pb2,
    enrollment_feed_service_pb2_grpc,
    enrollment_service_pb2,
    enrollment_service_pb2_grpc,
    odd_payment_service_pb2,
    odd_payment_service_pb2_grpc,
    office_audit_service_pb2,
    office_audit_service_pb2_grpc,
    office_service_pb2,
    office_service_pb2_grpc,
    order_service_pb2,
    order_service_pb2_grpc,
    place_stream_service_pb2,
    place_stream_service_pb2_grpc,
    portal_service_pb2,
    portal_service_pb2_grpc,
    reconciliation_service_pb2,
    reconciliation_service_pb2_grpc,
    roster_service_pb2,
    roster_service_pb2_grpc,
    session_service_pb2,
    session_service_pb2_grpc,
    statement_service_pb2,
    statement_service_pb2_grpc,
    statistics_service_pb2,
    statistics_service_pb2_grpc,
    waiting_room_service_pb2,
    waiting_room_service_pb2_grpc,
)
from zikao.payment.v1 import payment_platform_service_pb2 as payment
from zikao.payment.v1 import payment_platform_service_pb2_grpc as payment_grpc
from zikao_kit.server import ServiceDefinition, contracts_of, definition

from zikao_enrollment.parts import Parts
from zikao_enrollment.rpc.availability import AvailabilityRpc
from zikao_enrollment.rpc.enrollments import EnrollmentRpc
from zikao_enrollment.rpc.feed import FeedRpc
from zikao_enrollment.rpc.notifications import NotificationRpc
from zikao_enrollment.rpc.odd_payments import OddPaymentRpc
from zikao_enrollment.rpc.office_audits import OfficeAuditRpc
from zikao_enrollment.rpc.offices import OfficeRpc
from zikao_enrollment.rpc.orders import OrderRpc
from zikao_enrollment.rpc.place_streams import PlaceStreamRpc
from zikao_enrollment.rpc.portals import PortalRpc
from zikao_enrollment.rpc.reconciliations import ReconciliationRpc
from zikao_enrollment.rpc.rosters import RosterRpc
from zikao_enrollment.rpc.sessions import SessionRpc
from zikao_enrollment.rpc.statements import StatementRpc
from zikao_enrollment.rpc.statistics import StatisticsRpc
from zikao_enrollment.rpc.waiting_rooms import WaitingRoomRpc

# The generated modules of a service, its name in them, and what answers it.
_SERVICES: Sequence[tuple[Any, Any, str, Callable[[Parts], Any]]] = (
    (session_service_pb2_grpc, session_service_pb2, "SessionService", SessionRpc),
    (enrollment_service_pb2_grpc, enrollment_service_pb2, "EnrollmentService", EnrollmentRpc),
    (
        availability_service_pb2_grpc,
        availability_service_pb2,
        "AvailabilityService",
        AvailabilityRpc,
    ),
    (order_service_pb2_grpc, order_service_pb2, "OrderService", OrderRpc),
    (portal_service_pb2_grpc, portal_service_pb2, "PortalService", PortalRpc),
    (payment_grpc, payment, "PaymentNotificationService", NotificationRpc),
    (
        enrollment_feed_service_pb2_grpc,
        enrollment_feed_service_pb2,
        "EnrollmentFeedService",
        FeedRpc,
    ),
    (roster_service_pb2_grpc, roster_service_pb2, "RosterService", RosterRpc),
    (statistics_service_pb2_grpc, statistics_service_pb2, "StatisticsService", StatisticsRpc),
    (office_service_pb2_grpc, office_service_pb2, "OfficeService", OfficeRpc),
    (office_audit_service_pb2_grpc, office_audit_service_pb2, "OfficeAuditService", OfficeAuditRpc),
    (statement_service_pb2_grpc, statement_service_pb2, "StatementService", StatementRpc),
    (
        reconciliation_service_pb2_grpc,
        reconciliation_service_pb2,
        "ReconciliationService",
        ReconciliationRpc,
    ),
    (odd_payment_service_pb2_grpc, odd_payment_service_pb2, "OddPaymentService", OddPaymentRpc),
    (place_stream_service_pb2_grpc, place_stream_service_pb2, "PlaceStreamService", PlaceStreamRpc),
    (waiting_room_service_pb2_grpc, waiting_room_service_pb2, "WaitingRoomService", WaitingRoomRpc),
)

CONTRACTS = contracts_of(_SERVICES)


def services(parts: Parts) -> list[ServiceDefinition]:
    """What the service answers."""
    return [
        definition(grpc_module, module, name, rpc(parts))
        for grpc_module, module, name, rpc in _SERVICES
    ]
