"""Those who have lost something, and ask for it."""

from typing import Any

from support.registration_people import (
    NAME,
    approval,
    complete,
    document_number,
    lease_request,
    new_candidate,
    new_officer,
    submit_request,
)
from support.registration_server import RegistrationServer
from support.service import Caller, new_id, until
from zikao.registration.v1 import recovery_service_pb2 as pb
from zikao.registration.v1 import types_pb2 as types

NEW_PASSWORD = "an entirely new password"
EMAIL = "ayi@example.com"
RESIDENT_ID = types.DOCUMENT_TYPE_RESIDENT_ID
SMS, MAIL = pb.RECOVERY_CHANNEL_SMS, pb.RECOVERY_CHANNEL_EMAIL
NOBODY = 400


async def approved_candidate(
    server: RegistrationServer, number: int = 1, **changes: Any
) -> tuple[Caller, str]:
    """A candidate with a ticket number, logged in, and that number."""
    candidate = await new_candidate(server, number)
    await complete(candidate, **{"email": EMAIL} | changes)
    candidate_id = (await candidate.call(submit_request())).registration.candidate_id
    officer = await new_officer(server, name=f"who-admits-{number}")
    await officer.call(lease_request())
    decided = await officer.call(approval(candidate_id))
    return candidate, decided.ticket_number


def start(
    number: int, ticket_number: str = "", channel: Any = SMS
) -> pb.StartPasswordRecoveryRequest:
    """Ask for a code."""
    return pb.StartPasswordRecoveryRequest(
        request_id=new_id(),
        document_type=RESIDENT_ID,
        document_number=document_number(number),
        ticket_number=ticket_number,
        channel=channel,
    )


def finish(recovery_id: str, code: str, **changes: Any) -> pb.CompletePasswordRecoveryRequest:
    """Use a code."""
    fields = {"request_id": new_id(), "new_password": NEW_PASSWORD} | changes
    return pb.CompletePasswordRecoveryRequest(recovery_id=recovery_id, code=code, **fields)


async def until_nothing_waits(server: RegistrationServer) -> None:
    """Wait until every message has been handed over or given up."""
    none_left = "SELECT 1 WHERE NOT EXISTS (TABLE registration.message)"
    await until(lambda: server.rows(none_left))


def find(number: int, name: str = NAME) -> pb.FindTicketNumberRequest:
    """Ask for a ticket number."""
    return pb.FindTicketNumberRequest(
        document_type=RESIDENT_ID, document_number=document_number(number), name=name
    )


async def portal_of(server: RegistrationServer) -> Caller:
    """Who has no token."""
    return await server.caller("portal")


def reset(number: int, **changes: Any) -> pb.ResetCandidatePasswordRequest:
    """Somebody stands at the counter."""
    return pb.ResetCandidatePasswordRequest(
        request_id=new_id(),
        document_type=RESIDENT_ID,
        document_number=document_number(number),
        reason=pb.RESET_REASON_FORGOTTEN,
        **changes,
    )
