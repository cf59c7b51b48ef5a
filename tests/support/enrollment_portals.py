"""A portal with its stream of submissions, as tests use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from support.enrollment_people import candidate_id, submission
from support.enrollment_service import Installation
from support.refusals import note
from support.service import TIMEOUT_SECONDS, method_of
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import portal_service_pb2 as portal
from zikao.enrollment.v1 import portal_service_pb2_grpc as portal_grpc

SUBMIT_ENROLLMENTS = method_of(portal.SubmitEnrollmentsRequest.DESCRIPTOR)
Request = enrollment.SubmitPlanRequest | enrollment.SubmitEnrollmentRequest


class PortalStream:
    """One stream; what it is told is kept by request id."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def send(self, *submissions: portal.Submission) -> None:
        """Send one message."""
        await self.call.write(portal.SubmitEnrollmentsRequest(submissions=submissions))

    async def results(self, count: int) -> dict[str, portal.SubmissionResult]:
        """The next `count` results, by request id; each comes once."""
        found: dict[str, portal.SubmissionResult] = {}
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while len(found) < count:
                message = await self.call.read()
                assert message is not grpc.aio.EOF, "the stream has ended"  # type: ignore[attr-defined]
                for result in message.results:
                    assert result.request_id not in found
                    note(SUBMIT_ENROLLMENTS, result.error.reason)
                    found[result.request_id] = result
        assert len(found) == count
        return found

    async def ask(self, *submissions: portal.Submission) -> list[portal.SubmissionResult]:
        """Send submissions and wait for their results, in the order of the submissions."""
        await self.send(*submissions)
        found = await self.results(len(submissions))
        return [found[id_in(each)] for each in submissions]

    async def end(self) -> grpc.StatusCode:
        """Close this side, read to the end, and return how the server has ended the stream."""
        await self.call.done_writing()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while await self.call.read() is not grpc.aio.EOF:  # type: ignore[attr-defined]
                pass
            code: grpc.StatusCode = await self.call.code()
        return code


@asynccontextmanager
async def portal_stream(running: Installation, name: str = "portal") -> AsyncIterator[PortalStream]:
    """A stream of a portal, ended with the block."""
    caller = await running.caller(name)
    call = portal_grpc.PortalServiceStub(caller.channel).SubmitEnrollments(None)
    try:
        yield PortalStream(call)
    finally:
        call.cancel()


def for_candidate(
    running: Installation, number: int, request: Request | None = None, token: str | None = None
) -> portal.Submission:
    """What candidate `number` submits (two courses in Jinjiang), with the own token."""
    request = submission() if request is None else request
    shown = running.token(candidate_id(number)) if token is None else token
    if isinstance(request, enrollment.SubmitPlanRequest):
        return portal.Submission(access_token=shown, plan=request)
    return portal.Submission(access_token=shown, enrollment=request)


def id_in(each: portal.Submission) -> str:
    """The request id of a submission."""
    kind = each.WhichOneof("request")
    assert kind is not None
    request_id: str = getattr(each, kind).request_id
    return request_id


def reasons(results: Iterable[portal.SubmissionResult]) -> list[str]:
    """ "held", or the reason of each refusal."""
    return [each.error.reason or "held" for each in results]
