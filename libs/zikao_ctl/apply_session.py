"""`zikao apply`: make a session what its file says, at every service (DOMAIN section 8)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

import grpc
from zikao.enrollment.v1 import session_service_pb2 as enrollment
from zikao.registration.v1 import session_service_pb2 as registration
from zikao.tickets.v1 import session_service_pb2 as tickets
from zikao_kit.tls import CertFiles

from zikao_ctl.installation import Targets, open_operator_channel
from zikao_ctl.session_model import SessionFile
from zikao_ctl.session_parts import enrollment_to_pb, registration_to_pb, tickets_to_pb

APPLY_TIMEOUT_SECONDS = 60.0


class ApplyRefused(Exception):  # noqa: N818 - says what happened
    """A service did not take its part of the session."""

    def __init__(self, service: str, error: grpc.aio.AioRpcError) -> None:
        """Keep who refused, and why."""
        super().__init__(f"{service}: {error.code().name}: {error.details()}")
        self.service = service
        self.error = error


@dataclass(frozen=True)
class Part:
    """One service's part; `apply` sends it and returns what changes, one sentence a change."""

    service: str
    target: str
    apply: Callable[[grpc.aio.Channel, bool], Awaitable[list[str]]]


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


async def _send(part: Part, files: CertFiles, *, dry_run: bool) -> list[str]:
    async with open_operator_channel(part.target, files) as channel:
        try:
            return await part.apply(channel, dry_run)
        except grpc.aio.AioRpcError as error:
            raise ApplyRefused(part.service, error) from error


def _parts(session: SessionFile, targets: Targets) -> tuple[Part, ...]:
    async def to_registration(channel: grpc.aio.Channel, dry_run: bool) -> list[str]:
        request = registration.ApplySessionRequest(
            request_id=str(uuid4()), session=registration_to_pb(session), dry_run=dry_run
        )
        return await _call(channel, request, registration.ApplySessionResponse)

    async def to_enrollment(channel: grpc.aio.Channel, dry_run: bool) -> list[str]:
        request = enrollment.ApplySessionRequest(
            request_id=str(uuid4()), session=enrollment_to_pb(session), dry_run=dry_run
        )
        return await _call(channel, request, enrollment.ApplySessionResponse)

    async def to_tickets(channel: grpc.aio.Channel, dry_run: bool) -> list[str]:
        request = tickets.ApplySessionRequest(
            request_id=str(uuid4()), session=tickets_to_pb(session), dry_run=dry_run
        )
        return await _call(channel, request, tickets.ApplySessionResponse)

    return (
        Part("registration", targets.registration, to_registration),
        Part("enrollment", targets.enrollment, to_enrollment),
        Part("tickets", targets.tickets, to_tickets),
    )


Request = (
    registration.ApplySessionRequest | enrollment.ApplySessionRequest | tickets.ApplySessionRequest
)
ResponseType = (
    type[registration.ApplySessionResponse]
    | type[enrollment.ApplySessionResponse]
    | type[tickets.ApplySessionResponse]
)


async def _call(
    channel: grpc.aio.Channel, request: Request, response_type: ResponseType
) -> list[str]:
    """All three services have the same method under their own package."""
    package = request.DESCRIPTOR.file.package
    method = channel.unary_unary(
        f"/{package}.SessionService/ApplySession",
        request_serializer=type(request).SerializeToString,
        response_deserializer=response_type.FromString,
    )
    response = await method(request, timeout=APPLY_TIMEOUT_SECONDS, wait_for_ready=False)
    return list(response.changes)
