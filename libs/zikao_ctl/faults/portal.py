"""A portal that submits for its candidates over one stream, and opens another when that is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import portal_service_pb2 as portal
from zikao.enrollment.v1 import portal_service_pb2_grpc as portal_grpc
from zikao_kit.error_table import STATUS_DETAILS_KEY


class Portal:
    """What candidates get is as of a unary call: bytes of the answer, or grpc.aio.AioRpcError."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """It connects when somebody submits."""
        # Typed for channels that are not asyncio's: those need no iterator.
        self._stub: Any = portal_grpc.PortalServiceStub(channel)
        # None: the stream has ended before the answer.
        self._waiting: dict[str, asyncio.Future[portal.SubmissionResult | None]] = {}
        self._stream: Any = None
        self._reading: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    async def submit(
        self, token: str, request: enrollment.SubmitEnrollmentRequest, seconds: float
    ) -> bytes:
        """Wait for the answer; what comes later than that is nobody's."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting[request.request_id] = answer
        submission = portal.Submission(access_token=token, enrollment=request)
        try:
            async with asyncio.timeout(seconds):
                await self._write(portal.SubmitEnrollmentsRequest(submissions=[submission]))
                result = await answer
        except TimeoutError:
            raise _failure(grpc.StatusCode.DEADLINE_EXCEEDED) from None
        finally:
            self._waiting.pop(request.request_id, None)
        if result is None:
            raise _failure(grpc.StatusCode.UNAVAILABLE)
        if result.HasField("error"):
            raise _failure(_CODES[result.error.code], result.error.reason)
        return bytes(result.enrollment.SerializeToString())

    async def close(self) -> None:
        """End the stream, and whoever reads it."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _write(self, message: portal.SubmitEnrollmentsRequest) -> None:
        async with self._writing:
            if self._reading is None or self._reading.done():
                self._stream = self._stub.SubmitEnrollments()
                self._reading = asyncio.create_task(self._read(self._stream))
            try:
                await self._stream.write(message)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                raise _failure(grpc.StatusCode.UNAVAILABLE) from None

    async def _read(self, stream: Any) -> None:
        try:
            async for message in stream:
                for result in message.results:
                    answer = self._waiting.get(result.request_id)
                    if answer is not None and not answer.done():
                        answer.set_result(result)
        except grpc.aio.AioRpcError:
            pass  # whoever waits is told below
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_result(None)


_CODES = {code.value[0]: code for code in grpc.StatusCode}


def _failure(code: grpc.StatusCode, reason: str = "") -> grpc.aio.AioRpcError:
    status = status_pb2.Status(code=code.value[0])
    if reason:
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason))
    details = grpc.aio.Metadata((STATUS_DETAILS_KEY, status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), details, reason, "")
