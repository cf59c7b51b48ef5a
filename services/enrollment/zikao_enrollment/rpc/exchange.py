"""One stream of a portal: what was read of it, and what is to be answered.

Neither a task nor a future a submission: ten thousand a second go through here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

import structlog
from zikao.enrollment.v1 import enrollment_service_pb2, portal_service_pb2
from zikao_kit.context import current_actor, current_request_id
from zikao_kit.error_table import ErrorTable
from zikao_kit.errors import INTERNAL, DomainError, forget_frames
from zikao_kit.policy import MethodPolicy
from zikao_kit.serialized import answered

from zikao_enrollment.converts.portals import (
    ENROLLMENT,
    ERROR,
    PLAN,
    error_to_pb,
    id_of,
    request_of,
    result_of,
)
from zikao_enrollment.domain.orders import NotYetKnown
from zikao_enrollment.parts import Parts
from zikao_enrollment.seats.desk import Entry

# Some 100 KB: a message that every client takes.
RESULTS_A_MESSAGE = 500
# A candidate is let in to a stream as to the unary call, whose contract says who may.
_UNARY = MethodPolicy.of(
    enrollment_service_pb2.DESCRIPTOR.services_by_name["EnrollmentService"].methods_by_name[
        "SubmitEnrollment"
    ]
)
log = structlog.get_logger()


class _Item:
    """One submission of the stream; the batcher's listener."""

    __slots__ = ("answer", "asked", "entry", "exchange", "request_id")

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.request_id = ""
        self.entry: Entry | None = None
        self.answer: bytes | Exception = b""
        self.asked = False

    def is_waiting(self) -> bool:
        """Whether the stream is still open."""
        return not self.exchange.is_gone

    def take(self, answer: bytes | Exception) -> None:
        """Keep the answer until the stream writes it."""
        self.answer = answer
        self.exchange.note(self)


class Exchange:
    """Reads submissions while there is room, and answers them as they are decided."""

    def __init__(self, parts: Parts, errors: ErrorTable) -> None:
        self._submitting = parts.submitting
        self._admission = parts.admission
        self._verifier = parts.verifier
        self._errors = errors
        self._limit = parts.stream_submissions
        self._portal = current_actor().caller
        self._call_id = current_request_id()
        # Read, and not yet handed to the reader of the answers.
        self._under_way = 0
        self._answered: list[_Item] = []
        self._questions: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self.is_gone = False

    async def answers_to(
        self, requests: AsyncIterator[portal_service_pb2.SubmitEnrollmentsRequest]
    ) -> AsyncGenerator[portal_service_pb2.SubmitEnrollmentsResponse, None]:
        """Yield the answers to all submissions, in any order; raises what ended the reading."""
        reading = asyncio.create_task(self._read(requests))
        reading.add_done_callback(lambda _: self._news.set())
        try:
            while items := await self._next_answered(reading):
                results = b"".join(map(self._result, items))
                yield answered(portal_service_pb2.SubmitEnrollmentsResponse, results)
                self._under_way -= len(items)
                self._admission.count_finished(sum(map(self._is_served, items)))
                self._room.set()
            await reading
        finally:
            self.is_gone = True
            tasks = (reading, *self._questions)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def note(self, item: _Item) -> None:
        """An item has its answer."""
        self._answered.append(item)
        self._news.set()

    async def _read(
        self, requests: AsyncIterator[portal_service_pb2.SubmitEnrollmentsRequest]
    ) -> None:
        async for request in requests:
            submissions = request.submissions
            await self._until_room_for(len(submissions))
            self._under_way += len(submissions)
            for submission in submissions:
                self._begin(submission)

    async def _until_room_for(self, count: int) -> None:
        while self._under_way + count > self._limit:
            self._room.clear()
            await self._room.wait()

    def _begin(self, submission: portal_service_pb2.Submission) -> None:
        item = _Item(self)
        try:
            request, choice = request_of(submission)
            item.request_id = request.request_id
            actor = self._verifier.verify(submission.access_token, self._portal)
            subject = _UNARY.admit(self._portal, actor).subject
            item.entry = self._submitting.entry_of(
                request, subject, submission.admission_pass, choice
            )
            self._submitting.enter(item.entry, item)
        except Exception as refusal:  # also a fault of ours: it is one submission's alone
            item.request_id = id_of(submission)
            item.take(refusal)

    async def _next_answered(self, reading: asyncio.Task[None]) -> Sequence[_Item]:
        """Items to be written; none when the last was, and nothing more is read."""
        while True:
            answered, self._answered = self._answered, []
            ready = [item for item in answered if not self._asks_for(item)]
            ready, self._answered = ready[:RESULTS_A_MESSAGE], ready[RESULTS_A_MESSAGE:]
            if ready or (reading.done() and not self._under_way):
                return ready
            self._news.clear()
            await self._news.wait()

    def _asks_for(self, item: _Item) -> bool:
        """Whether registration is asked for the candidate first, which it is once."""
        if not isinstance(item.answer, NotYetKnown) or item.asked:
            return False
        item.asked = True
        task = asyncio.create_task(self._ask(item))
        self._questions.add(task)
        task.add_done_callback(self._questions.discard)
        return True

    async def _ask(self, item: _Item) -> None:
        if item.entry is None:
            raise RuntimeError("who is not known was asked for by an entry")
        try:
            item.take(await self._submitting.submit(item.entry))
        except Exception as refusal:
            item.take(refusal)

    def _is_served(self, item: _Item) -> bool:
        """Whether it counts for what the process can do; to refuse a bad token is no work."""
        answer = item.answer
        return not isinstance(answer, Exception) or (
            isinstance(answer, DomainError) and self._errors.is_service(answer.reason)
        )

    def _result(self, item: _Item) -> bytes:
        answer = item.answer
        if not isinstance(answer, bytes):
            error = self._error(answer).SerializeToString()
            return result_of(item.request_id, ERROR, error)
        is_of_plan = item.entry is not None and item.entry.is_of_plan
        return result_of(item.request_id, PLAN if is_of_plan else ENROLLMENT, answer)

    def _error(self, error: Exception) -> portal_service_pb2.SubmissionError:
        if not isinstance(error, DomainError) or error.reason not in self._errors:
            log.error("a submission failed", exc_info=error)
            error = DomainError(INTERNAL)
        forget_frames(error)
        return error_to_pb(error, self._errors, self._call_id)
