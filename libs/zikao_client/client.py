"""Connections to the three services, in the name of one certificate."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import grpc
from google.protobuf.descriptor import FileDescriptor
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
    statement_service_pb2,
    statement_service_pb2_grpc,
    statistics_service_pb2,
    statistics_service_pb2_grpc,
    waiting_room_service_pb2,
    waiting_room_service_pb2_grpc,
)
from zikao.enrollment.v1 import session_service_pb2 as enrollment_session_pb2
from zikao.enrollment.v1 import session_service_pb2_grpc as enrollment_session_grpc
from zikao.payment.v1 import payment_platform_service_pb2, payment_platform_service_pb2_grpc
from zikao.registration.v1 import (
    account_service_pb2,
    account_service_pb2_grpc,
    audit_service_pb2,
    audit_service_pb2_grpc,
    candidate_feed_service_pb2,
    candidate_feed_service_pb2_grpc,
    contact_service_pb2,
    contact_service_pb2_grpc,
    identity_provider_service_pb2,
    identity_provider_service_pb2_grpc,
    login_service_pb2,
    login_service_pb2_grpc,
    older_candidate_service_pb2,
    older_candidate_service_pb2_grpc,
    older_record_service_pb2,
    older_record_service_pb2_grpc,
    privacy_service_pb2,
    privacy_service_pb2_grpc,
    profile_change_service_pb2,
    profile_change_service_pb2_grpc,
    recovery_service_pb2,
    recovery_service_pb2_grpc,
    registration_service_pb2,
    registration_service_pb2_grpc,
    review_service_pb2,
    review_service_pb2_grpc,
    staff_service_pb2,
    staff_service_pb2_grpc,
    study_record_service_pb2,
    study_record_service_pb2_grpc,
    ticket_number_service_pb2,
    ticket_number_service_pb2_grpc,
    work_list_service_pb2,
    work_list_service_pb2_grpc,
)
from zikao.registration.v1 import session_service_pb2 as registration_session_pb2
from zikao.registration.v1 import session_service_pb2_grpc as registration_session_grpc
from zikao.tickets.v1 import (
    arrangement_operation_service_pb2,
    arrangement_operation_service_pb2_grpc,
    arrangement_service_pb2,
    arrangement_service_pb2_grpc,
    document_service_pb2,
    document_service_pb2_grpc,
    door_service_pb2,
    door_service_pb2_grpc,
    office_ticket_service_pb2,
    office_ticket_service_pb2_grpc,
    site_service_pb2,
    site_service_pb2_grpc,
    ticket_feed_service_pb2,
    ticket_feed_service_pb2_grpc,
    ticket_service_pb2,
    ticket_service_pb2_grpc,
    ticket_statistics_service_pb2,
    ticket_statistics_service_pb2_grpc,
    unprintable_service_pb2,
    unprintable_service_pb2_grpc,
    verification_service_pb2,
    verification_service_pb2_grpc,
)
from zikao.tickets.v1 import office_audit_service_pb2 as tickets_office_audit_pb2
from zikao.tickets.v1 import office_audit_service_pb2_grpc as tickets_office_audit_grpc
from zikao.tickets.v1 import office_service_pb2 as tickets_office_pb2
from zikao.tickets.v1 import office_service_pb2_grpc as tickets_office_grpc
from zikao.tickets.v1 import session_service_pb2 as tickets_session_pb2
from zikao.tickets.v1 import session_service_pb2_grpc as tickets_session_grpc
from zikao_kit.channel import ServiceConfig, open_channel
from zikao_kit.config import MEBIBYTE, CertFiles
from zikao_kit.server_names import server_at

from zikao_client.throttling import Throttling

# A photo of 5 MB goes up, a part of a county's tickets comes down.
MAX_MESSAGE_BYTES = 16 * MEBIBYTE

# The contracts of each, for their retry policies.
_REGISTRATION = (
    account_service_pb2.DESCRIPTOR,
    candidate_feed_service_pb2.DESCRIPTOR,
    contact_service_pb2.DESCRIPTOR,
    identity_provider_service_pb2.DESCRIPTOR,
    login_service_pb2.DESCRIPTOR,
    older_candidate_service_pb2.DESCRIPTOR,
    older_record_service_pb2.DESCRIPTOR,
    recovery_service_pb2.DESCRIPTOR,
    registration_service_pb2.DESCRIPTOR,
    registration_session_pb2.DESCRIPTOR,
    staff_service_pb2.DESCRIPTOR,
    study_record_service_pb2.DESCRIPTOR,
    profile_change_service_pb2.DESCRIPTOR,
    privacy_service_pb2.DESCRIPTOR,
    ticket_number_service_pb2.DESCRIPTOR,
    review_service_pb2.DESCRIPTOR,
    work_list_service_pb2.DESCRIPTOR,
    audit_service_pb2.DESCRIPTOR,
)
_ENROLLMENT = (
    availability_service_pb2.DESCRIPTOR,
    enrollment_feed_service_pb2.DESCRIPTOR,
    enrollment_service_pb2.DESCRIPTOR,
    order_service_pb2.DESCRIPTOR,
    place_stream_service_pb2.DESCRIPTOR,
    portal_service_pb2.DESCRIPTOR,
    enrollment_session_pb2.DESCRIPTOR,
    office_audit_service_pb2.DESCRIPTOR,
    office_service_pb2.DESCRIPTOR,
    roster_service_pb2.DESCRIPTOR,
    statistics_service_pb2.DESCRIPTOR,
    waiting_room_service_pb2.DESCRIPTOR,
    statement_service_pb2.DESCRIPTOR,
    reconciliation_service_pb2.DESCRIPTOR,
    odd_payment_service_pb2.DESCRIPTOR,
    payment_platform_service_pb2.DESCRIPTOR,
)
_TICKETS = (
    arrangement_operation_service_pb2.DESCRIPTOR,
    arrangement_service_pb2.DESCRIPTOR,
    document_service_pb2.DESCRIPTOR,
    tickets_office_audit_pb2.DESCRIPTOR,
    tickets_office_pb2.DESCRIPTOR,
    site_service_pb2.DESCRIPTOR,
    door_service_pb2.DESCRIPTOR,
    office_ticket_service_pb2.DESCRIPTOR,
    ticket_feed_service_pb2.DESCRIPTOR,
    ticket_service_pb2.DESCRIPTOR,
    ticket_statistics_service_pb2.DESCRIPTOR,
    tickets_session_pb2.DESCRIPTOR,
    unprintable_service_pb2.DESCRIPTOR,
    verification_service_pb2.DESCRIPTOR,
)


@dataclass(frozen=True)
class Endpoints:
    """Where the services are: `host:port` or a gRPC target such as `dns:///enrollment:7102`.

    A service has to have a certificate for the host's name, by which gateways find it, or for its
    own ("enrollment") where there is no such name: at IP addresses, localhost, several addresses.
    `NAME@` before an address asks for NAME instead.
    """

    registration: str
    enrollment: str
    tickets: str


class ZikaoClient:
    """Use as `async with`; its attributes are the stubs of the contracts' services."""

    def __init__(self, endpoints: Endpoints, files: CertFiles) -> None:
        """`files`: the caller's certificate and key, and the installation's authority."""
        registration = _open(endpoints.registration, files, "registration", *_REGISTRATION)
        enrollment = _open(endpoints.enrollment, files, "enrollment", *_ENROLLMENT)
        tickets = _open(endpoints.tickets, files, "tickets", *_TICKETS)
        self._channels = (registration, enrollment, tickets)
        self._stack = AsyncExitStack()
        self.accounts = account_service_pb2_grpc.AccountServiceStub(registration)
        self.logins = login_service_pb2_grpc.LoginServiceStub(registration)
        self.recoveries = recovery_service_pb2_grpc.RecoveryServiceStub(registration)
        self.identity_provider = identity_provider_service_pb2_grpc.IdentityProviderServiceStub(
            registration
        )
        self.contacts = contact_service_pb2_grpc.ContactServiceStub(registration)
        self.staff = staff_service_pb2_grpc.StaffServiceStub(registration)
        self.registration_sessions = registration_session_grpc.SessionServiceStub(registration)
        self.candidate_feed = candidate_feed_service_pb2_grpc.CandidateFeedServiceStub(registration)
        self.registrations = registration_service_pb2_grpc.RegistrationServiceStub(registration)
        self.study_records = study_record_service_pb2_grpc.StudyRecordServiceStub(registration)
        self.profile_changes = profile_change_service_pb2_grpc.ProfileChangeServiceStub(
            registration
        )
        self.privacy = privacy_service_pb2_grpc.PrivacyServiceStub(registration)
        self.older_candidates = older_candidate_service_pb2_grpc.OlderCandidateServiceStub(
            registration
        )
        self.older_records = older_record_service_pb2_grpc.OlderRecordServiceStub(registration)
        self.ticket_numbers = ticket_number_service_pb2_grpc.TicketNumberServiceStub(registration)
        self.reviews = review_service_pb2_grpc.ReviewServiceStub(registration)
        self.work_lists = work_list_service_pb2_grpc.WorkListServiceStub(registration)
        self.audits = audit_service_pb2_grpc.AuditServiceStub(registration)
        self.enrollment = enrollment_service_pb2_grpc.EnrollmentServiceStub(enrollment)
        self.availability = availability_service_pb2_grpc.AvailabilityServiceStub(enrollment)
        self.orders = order_service_pb2_grpc.OrderServiceStub(enrollment)
        self.portals = portal_service_pb2_grpc.PortalServiceStub(enrollment)
        self.enrollment_feed = enrollment_feed_service_pb2_grpc.EnrollmentFeedServiceStub(
            enrollment
        )
        self.enrollment_sessions = enrollment_session_grpc.SessionServiceStub(enrollment)
        self.offices = office_service_pb2_grpc.OfficeServiceStub(enrollment)
        self.rosters = roster_service_pb2_grpc.RosterServiceStub(enrollment)
        self.enrollment_statistics = statistics_service_pb2_grpc.StatisticsServiceStub(enrollment)
        self.statements = statement_service_pb2_grpc.StatementServiceStub(enrollment)
        self.reconciliation = reconciliation_service_pb2_grpc.ReconciliationServiceStub(enrollment)
        self.odd_payments = odd_payment_service_pb2_grpc.OddPaymentServiceStub(enrollment)
        self.places = place_stream_service_pb2_grpc.PlaceStreamServiceStub(enrollment)
        self.waiting_room = waiting_room_service_pb2_grpc.WaitingRoomServiceStub(enrollment)
        self.payment_notifications = (
            payment_platform_service_pb2_grpc.PaymentNotificationServiceStub(enrollment)
        )
        self.office_audits = office_audit_service_pb2_grpc.OfficeAuditServiceStub(enrollment)
        self._attach_tickets(tickets)

    def _attach_tickets(self, tickets: grpc.aio.Channel) -> None:
        self.arrangements = arrangement_service_pb2_grpc.ArrangementServiceStub(tickets)
        self.arrangement_operations = (
            arrangement_operation_service_pb2_grpc.ArrangementOperationServiceStub(tickets)
        )
        self.tickets = ticket_service_pb2_grpc.TicketServiceStub(tickets)
        self.documents = document_service_pb2_grpc.DocumentServiceStub(tickets)
        self.ticket_statistics = ticket_statistics_service_pb2_grpc.TicketStatisticsServiceStub(
            tickets
        )
        self.ticket_sessions = tickets_session_grpc.SessionServiceStub(tickets)
        self.sites = site_service_pb2_grpc.SiteServiceStub(tickets)
        self.ticket_offices = tickets_office_grpc.OfficeServiceStub(tickets)
        self.ticket_office_audits = tickets_office_audit_grpc.OfficeAuditServiceStub(tickets)
        self.office_tickets = office_ticket_service_pb2_grpc.OfficeTicketServiceStub(tickets)
        self.ticket_feed = ticket_feed_service_pb2_grpc.TicketFeedServiceStub(tickets)
        self.door = door_service_pb2_grpc.DoorServiceStub(tickets)
        self.unprintable = unprintable_service_pb2_grpc.UnprintableServiceStub(tickets)
        self.verification = verification_service_pb2_grpc.VerificationServiceStub(tickets)

    async def __aenter__(self) -> Self:
        """Connections are made at the first call."""
        for channel in self._channels:
            await self._stack.enter_async_context(channel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._stack.aclose()


def _open(
    address: str, files: CertFiles, name: str, *contracts: FileDescriptor
) -> grpc.aio.Channel:
    server = server_at(address, name)
    services = [service for file in contracts for service in file.services_by_name.values()]
    return open_channel(
        server.target,
        files,
        ServiceConfig.from_contract(*services),
        server_name=server.name,
        max_message_bytes=MAX_MESSAGE_BYTES,
        interceptors=[Throttling(*services)],
        subscriptions_apart=True,
    )
