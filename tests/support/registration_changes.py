"""Profile changes: asked for, proven, decided and in effect, one function an act."""

from datetime import timedelta
from typing import Any

from support.registration_people import (
    apply_session,
    document_number,
    log_in,
    material,
)
from support.registration_server import NOON, RegistrationServer
from support.service import Caller, new_id
from zikao.registration.v1 import profile_change_service_pb2 as changes
from zikao.registration.v1 import session_service_pb2 as session
from zikao.registration.v1 import types_pb2 as types
from zikao_kit.convert import time_to_pb

HOUR = timedelta(hours=1)
WINDOW_CLOSES, EFFECTIVE_AT = NOON + 6 * HOUR, NOON + timedelta(days=10)
NEW_NAME, OTHER_NUMBER = "阿依古丽·买买提江", document_number(77)
APPLIED, FAILED = changes.PROFILE_CHANGE_STATE_APPLIED, changes.PROFILE_CHANGE_STATE_FAILED
POLL_SECONDS = 0.1  # of the server under test
RESIDENT_ID = types.DOCUMENT_TYPE_RESIDENT_ID


async def open_changes(server: RegistrationServer) -> None:
    """Apply the session with a window of profile changes that is open now."""
    await apply_session(
        server,
        profile_change=session.SessionWindow(
            opens_at=time_to_pb(NOON - HOUR), closes_at=time_to_pb(WINDOW_CLOSES)
        ),
        profile_changes_effective_at=time_to_pb(EFFECTIVE_AT),
    )


def wanted(**values: Any) -> changes.RequestProfileChangeRequest:
    """Ask for other values; another name where none are given."""
    values = values or {"name": NEW_NAME}
    return changes.RequestProfileChangeRequest(
        request_id=new_id(), changes=changes.ProfileValues(**values)
    )


def other_document(number: str = OTHER_NUMBER) -> changes.RequestProfileChangeRequest:
    """Ask for another document."""
    return wanted(document_type=RESIDENT_ID, document_number=number)


def evidence(jpeg: bytes | None = None) -> changes.UploadChangeEvidenceRequest:
    """Hand in evidence."""
    return changes.UploadChangeEvidenceRequest(request_id=new_id(), jpeg=jpeg or material())


def withdrawal() -> changes.WithdrawProfileChangeRequest:
    """Take it back."""
    return changes.WithdrawProfileChangeRequest(request_id=new_id())


def decision(change_id: str, *, approve: bool = True) -> changes.DecideProfileChangeRequest:
    """Approve, or reject for the material."""
    reasons = [] if approve else [types.REJECTION_REASON_MATERIAL]
    return changes.DecideProfileChangeRequest(
        request_id=new_id(), change_id=change_id, approve=approve, reasons=reasons
    )


async def approved_change(candidate: Caller, officer: Caller, request: Any) -> str:
    """Ask, prove and be approved; return the change's id."""
    await candidate.call(request)
    change_id: str = (await candidate.call(evidence())).change.change_id
    await officer.call(decision(change_id))
    return change_id


async def state_of(candidate: Caller) -> Any:
    """Where the last request stands."""
    return (await candidate.call(changes.GetProfileChangeRequest())).change.state


async def is_in(candidate: Caller, state: Any) -> bool:
    """Whether the candidate's last request stands there."""
    return bool(await state_of(candidate) == state)


async def logged_in(server: RegistrationServer, number: str) -> Caller | None:
    """A caller with the token of a document's owner, once there is one."""
    rows = await server.rows("SELECT 1 FROM registration.profile_change WHERE state = 'applied'")
    return await log_in(server, number) if rows else None
