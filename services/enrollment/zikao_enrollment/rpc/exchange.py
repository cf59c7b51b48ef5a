"""One stream of a portal: what was read of it, and what is to be answered.

Neither a task nor a future a submission, nor anything else that can be had once for a message:
twenty thousand a second go through here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from typing import cast

import structlog
from zikao.enrollment.v1 import portal_service_pb2
from zikao_kit.context import current_actor, current_request_id
from zikao_kit.error_table import ErrorTable
from zikao_kit.errors import INTERNAL, DomainError, forget_frames
from zikao_kit.serialized import answered

from zikao_enrollment.converts.portals import (
    ENROLLMENT,
    ERROR,
    PLAN,
    error_to_pb,
    id_of,
    request_of,
    results_of,
)
from zikao_enrollment.domain.orders import NotYetKnown
from zikao_enrollment.parts import Parts
from zikao_enrollment.rpc.familiar import UNARY, Familiar
from zikao_enrollment.seats.desk import Entry

# Some 100 KB: a message that every client takes.
RESULTS_A_MESSAGE = 500
log = structlog.get_logger()


class _Part:
    """Submissions that were entered together, of one message; the batcher's listener."""

    __slots__ = ("answers", "entries", "exchange", "ids", "is_asked")

    def __init__(
        self, exchange: Exchange, ids: Sequence[str], entries: Sequence[Entry | None]
    ) -> None:
        self.exchange = exchange
        self.ids = ids
        # None for what was refused before it was one.
        self.entries = entries
        self.answers: Sequence[bytes | Exception] = ()
        self.is_asked = False

    @property
    def is_granted(self) -> bool:
        """Whether no answer is a refusal."""
        return {*map(type, self.answers)} <= {bytes}

    def is_waiting(self) -> bool:
        """Whether the stream is still open."""
        return not self.exchange.is_gone

    def take(self, answers: Sequence[bytes | Exception]) -> None:
        """Keep the answers until the stream writes them."""
        self.answers = answers
        self.exchange.note(self)

    def only(self, places: Iterable[int]) -> _Part:
        """Those at these places, as a part of their own."""
        chosen = [*places]
        part = _Part(
            self.exchange, [self.ids[at] for at in chosen], [self.entries[at] for at in chosen]
        )
        part.answers = [self.answers[at] for at in chosen]
        return part


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
        self._answered: deque[_Part] = deque()
        self._questions: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._is_broken = False
        self.is_gone = False

    async def answers_to(
        self, requests: AsyncIterator[portal_service_pb2.SubmitEnrollmentsRequest]
    ) -> AsyncGenerator[portal_service_pb2.SubmitEnrollmentsResponse, None]:
        """Yield the answers to all submissions, in any order; raises what ended the reading."""
        reading = asyncio.create_task(self._read(requests))
        reading.add_done_callback(lambda _: self._news.set())
        try:
            while parts := await self._next_answered(reading):
                results = b"".join(map(self._results, parts))
                yield answered(portal_service_pb2.SubmitEnrollmentsResponse, results)
                self._under_way -= sum(len(part.ids) for part in parts)
                self._admission.count_finished(sum(map(self._served, parts)))
                self._room.set()
            await reading
        finally:
            self.is_gone = True
            tasks = (reading, *self._questions)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def note(self, part: _Part) -> None:
        """A part has its answers."""
        self._answered.append(part)
        self._news.set()

    async def _read(
        self, requests: AsyncIterator[portal_service_pb2.SubmitEnrollmentsRequest]
    ) -> None:
        async for request in requests:
            submissions = request.submissions
            await self._until_room_for(len(submissions))
            self._under_way += len(submissions)
            try:
                self._begin(submissions)
            except Exception:
                # Some of them may not be on their way: nobody is to wait for those.
                self._is_broken = True
                raise

    async def _until_room_for(self, count: int) -> None:
        while self._under_way + count > self._limit:
            self._room.clear()
            await self._room.wait()

    def _begin(self, submissions: Iterable[portal_service_pb2.Submission]) -> None:
        """Enter a message's submissions in their order, as many together as may be."""
        familiar = Familiar(self._submitting, self._verifier, self._portal)
        together: list[tuple[str, Entry]] = []
        for submission in submissions:
            found = familiar.entry_of(submission)
            if found is not None:
                together.append(found)
                continue
            self._enter(together)
            together = []
            self._look_at(submission)
        self._enter(together)

    def _enter(self, found: Sequence[tuple[str, Entry]]) -> None:
        size = self._submitting.together
        for begin in range(0, len(found), size):
            ids, entries = zip(*found[begin : begin + size], strict=True)
            if not self._submitting.enter_together(entries, _Part(self, ids, entries)):
                for request_id, entry in zip(ids, entries, strict=True):
                    self._enter_alone(request_id, entry)

    def _enter_alone(self, request_id: str, entry: Entry) -> None:
        part = _Part(self, [request_id], [entry])
        try:
            self._submitting.enter(entry, part)
        except Exception as refusal:
            part.take([refusal])

    def _look_at(self, submission: portal_service_pb2.Submission) -> None:
        try:
            request, choice = request_of(submission)
            actor = self._verifier.verify(submission.access_token, self._portal)
            subject = UNARY.admit(self._portal, actor).subject
            entry = self._submitting.entry_of(request, subject, submission.admission_pass, choice)
        except Exception as refusal:  # also a fault of ours: it is one submission's alone
            _Part(self, [id_of(submission)], [None]).take([refusal])
        else:
            self._enter_alone(request.request_id, entry)

    async def _next_answered(self, reading: asyncio.Task[None]) -> Sequence[_Part]:
        """Parts to be written; none when the last was, and nothing more is read."""
        while True:
            ready: list[_Part] = []
            results = 0
            while self._answered and (
                not ready or results + len(self._answered[0].ids) <= RESULTS_A_MESSAGE
            ):
                part = self._without_unknown(self._answered.popleft())
                if part.ids:
                    ready.append(part)
                    results += len(part.ids)
            if ready or (reading.done() and (self._is_broken or not self._under_way)):
                return ready
            self._news.clear()
            await self._news.wait()

    def _without_unknown(self, part: _Part) -> _Part:
        """What is to be written of a part: registration is asked for who is not known, once."""
        if part.is_granted or part.is_asked:
            return part
        unknown = [at for at, each in enumerate(part.answers) if isinstance(each, NotYetKnown)]
        for place in unknown:
            self._ask_for(part.only([place]))
        return part.only(set(range(len(part.ids))).difference(unknown)) if unknown else part

    def _ask_for(self, part: _Part) -> None:
        part.is_asked = True
        task = asyncio.create_task(self._ask(part))
        self._questions.add(task)
        task.add_done_callback(self._questions.discard)

    async def _ask(self, part: _Part) -> None:
        (entry,) = part.entries
        if entry is None:
            raise RuntimeError("who is not known was asked for by an entry")
        try:
            part.take([await self._submitting.submit(entry)])
        except Exception as refusal:
            part.take([refusal])

    def _served(self, part: _Part) -> int:
        """What counts of it for what the process can do; to refuse a bad token is no work."""
        if part.is_granted:
            return len(part.ids)
        return sum(
            not isinstance(answer, DomainError) or self._errors.is_service(answer.reason)
            for answer in part.answers
            if isinstance(answer, bytes | DomainError)
        )

    def _results(self, part: _Part) -> bytes:
        entry = part.entries[0]
        outcome = PLAN if entry is not None and entry.is_of_plan else ENROLLMENT
        if part.is_granted:
            return results_of(part.ids, outcome, cast(Sequence[bytes], part.answers))
        return b"".join(
            results_of([request_id], outcome, [answer])
            if isinstance(answer, bytes)
            else results_of([request_id], ERROR, [self._error(answer).SerializeToString()])
            for request_id, answer in zip(part.ids, part.answers, strict=True)
        )

    def _error(self, error: Exception) -> portal_service_pb2.SubmissionError:
        if not isinstance(error, DomainError) or error.reason not in self._errors:
            log.error("a submission failed", exc_info=error)
            error = DomainError(INTERNAL)
        forget_frames(error)
        return error_to_pb(error, self._errors, self._call_id)
