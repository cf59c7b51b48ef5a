"""`zikao apply`: make a session what its file says, at every service (DOMAIN section 8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from zikao.enrollment.v1 import session_service_pb2 as enrollment
from zikao.enrollment.v1 import session_service_pb2_grpc as enrollment_grpc
from zikao.registration.v1 import session_service_pb2 as registration
from zikao.registration.v1 import session_service_pb2_grpc as registration_grpc
from zikao.tickets.v1 import session_service_pb2 as tickets
from zikao.tickets.v1 import session_service_pb2_grpc as tickets_grpc
from zikao_client import CallFailed, new_request_id
from zikao_kit.config import CertFiles

from zikao_ctl.installation import Targets, open_operator_channel
from zikao_ctl.session_model import SessionFile
from zikao_ctl.session_parts import enrollment_to_pb, registration_to_pb, tickets_to_pb

APPLY_TIMEOUT_SECONDS = 60.0


class ApplyRefused(Exception):  # noqa: N818 - says what happened
    """A service did not take its part of the session: its reason, sentence and bad fields."""

    def __init__(self, service: str, failed: CallFailed) -> None:
        """Keep who refused, and why."""
        fields = [f"  - {problem.field}: {problem.description}" for problem in failed.fields]
        super().__init__("\n".join([f"{service}: {failed}", *fields]))
        self.service = service
        self.reason = failed.reason


@dataclass(frozen=True)
class ServicePart:
    """One service's part of a session, and how it takes it."""

    service: str
    target: str
    stub: Callable[[grpc.aio.Channel], Any]
    request_type: Callable[..., Any]
    session: Any


async def apply_session(
    session: SessionFile, targets: Targets, files: CertFiles, *, dry_run: bool
) -> dict[str, list[str]]:
    """What changed (or would), by service.

    Every service is asked first what would change, so that a change one of them refuses is made
    by none. Raises ApplyRefused. A failure between the services' own transactions is mended by
    applying again: the same twice changes nothing.
    """
    parts = _parts(session, targets)
    changes = {part.service: await _send(part, files, dry_run=True) for part in parts}
    if dry_run:
        return changes
    return {part.service: await _send(part, files, dry_run=False) for part in parts}


async def _send(part: ServicePart, files: CertFiles, *, dry_run: bool) -> list[str]:
    request = part.request_type(request_id=new_request_id(), session=part.session, dry_run=dry_run)
    async with open_operator_channel(part.target, files) as channel:
        try:
            answer = await part.stub(channel).ApplySession(request, timeout=APPLY_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise ApplyRefused(part.service, CallFailed(error)) from error
    return list(answer.changes)


def _parts(session: SessionFile, targets: Targets) -> tuple[ServicePart, ...]:
    return (
        ServicePart(
            "registration",
            targets.registration,
            registration_grpc.SessionServiceStub,
            registration.ApplySessionRequest,
            registration_to_pb(session),
        ),
        ServicePart(
            "enrollment",
            targets.enrollment,
            enrollment_grpc.SessionServiceStub,
            enrollment.ApplySessionRequest,
            enrollment_to_pb(session),
        ),
        ServicePart(
            "tickets",
            targets.tickets,
            tickets_grpc.SessionServiceStub,
            tickets.ApplySessionRequest,
            tickets_to_pb(session),
        ),
    )
