"""From a candidate's request to its answer: through the batcher, and past who is not known yet."""

from collections.abc import Callable, Sequence

from google.protobuf.message import Message
from zikao.enrollment.v1 import enrollment_service_pb2 as pb
from zikao_kit.batcher import Batcher, Listener
from zikao_kit.errors import DomainError
from zikao_kit.idempotency import RequestKey, key_of, sha256
from zikao_kit.ids import new_ordered_id, uuid_of

from zikao_enrollment.converts.orders import choice_from_pb
from zikao_enrollment.converts.portals import SubmitRequest, Wanted
from zikao_enrollment.domain.choices import Choice
from zikao_enrollment.domain.timetable import Track
from zikao_enrollment.domain.wishes import Submission
from zikao_enrollment.seats.desk import Entry
from zikao_enrollment.seats.doorman import Doorman
from zikao_enrollment.seats.gatekeeper import Gatekeeper
from zikao_enrollment.seats.newcomers import Newcomers

_OF_ENROLLMENT = pb.SubmitEnrollmentRequest.DESCRIPTOR.full_name


class Submitting:
    """Unary calls and portals' streams end in the same batches, under the same request ids."""

    def __init__(
        self,
        batcher: Batcher[Entry],
        newcomers: Newcomers,
        doorman: Doorman,
        gatekeeper: Gatekeeper,
    ) -> None:
        self._batcher = batcher
        self._newcomers = newcomers
        self._doorman = doorman
        self._gatekeeper = gatekeeper

    @property
    def standing_seconds(self) -> float:
        """For how long every batch has left some behind who wait."""
        return self._batcher.standing_seconds

    def entry_of(
        self,
        request: SubmitRequest,
        candidate: str,
        admission_pass: str,
        choice: Choice | None = None,
    ) -> Entry:
        """The request of a candidate (the subject of a token) as it goes into a batch.

        `choice` is that of the request where it has been read already.

        Raises ADMISSION_PASS_NEEDED, ADMISSION_PASS_INVALID, and SOLD_OUT when that is sure,
        before any work is done for it.
        """
        track = self._admitted_to(request, candidate, admission_pass)
        if isinstance(request, pb.SubmitPlanRequest):
            return _entry(request, candidate, None, track, pb.SubmitPlanResponse)
        choice = choice or choice_from_pb(request.choice)
        self._require_hope(request, candidate, choice)
        return _entry(request, candidate, choice, track, pb.SubmitEnrollmentResponse)

    async def submit(self, entry: Entry) -> bytes:
        """Wait for the answer, the serialized response; raises the refusal.

        Registration is asked for a candidate whom the feed has not brought yet.
        """
        return await self._newcomers.with_candidate(
            entry.wish.candidate_id, lambda: self._batcher.submit(entry.key, entry)
        )

    async def decide(self, entry: Entry) -> bytes:
        """Wait for the answer to what a candidate wants of an order that is there."""
        return await self._batcher.submit(entry.key, entry)

    def is_open(self, wanted: Wanted) -> bool:
        """Whether whoever wants it may go into a batch: no pass is needed, nor is it sold out."""
        return not (
            self._gatekeeper.is_needed(wanted.session_code)
            or self._doorman.is_hopeless(wanted.session_code, wanted.choice)
        )

    def enter(self, entry: Entry, listener: Listener) -> None:
        """Let `listener` take the answer; registration is asked for nobody.

        Raises REQUEST_ID_REUSED when the id is under way with another body.
        """
        self._batcher.enter(entry.key, entry, listener)

    @property
    def together(self) -> int:
        """How many may be entered together."""
        return self._batcher.max_batch

    def enter_together(self, entries: Sequence[Entry], listener: Listener) -> bool:
        """Let `listener` take the answers to entries of one batch, as `enter`.

        False, and nothing is entered, when they are to be entered one by one.
        """
        return self._batcher.enter_together([entry.key for entry in entries], entries, listener)

    def _admitted_to(
        self, request: SubmitRequest, candidate: str, admission_pass: str
    ) -> Track | None:
        """The track whose room has admitted the candidate.

        Who may be repeating what was answered is left to the batch, which finds the answer, or
        refuses whoever has no pass.
        """
        try:
            return self._gatekeeper.admitted_to(
                request.session_code, uuid_of(candidate), admission_pass
            )
        except DomainError:
            if self._doorman.may_repeat(candidate) or self._is_under_way(request, candidate):
                return None
            raise

    def _is_under_way(self, request: SubmitRequest, candidate: str) -> bool:
        return self._batcher.is_under_way(candidate, uuid_of(request.request_id))

    def _require_hope(
        self, request: pb.SubmitEnrollmentRequest, candidate: str, choice: Choice
    ) -> None:
        """Raise SOLD_OUT unless an earlier attempt may be answered otherwise."""
        refusal = self._doorman.refusal(request.session_code, candidate, choice)
        if refusal and not self._is_under_way(request, candidate):
            raise refusal


def open_entry(candidate: str, request_id: str, body: bytes, wanted: Wanted) -> Entry:
    """The entry of a candidate for what `is_open`; `body` is the request, of which its digest is.

    As `Submitting.entry_of` makes it. Raises ValueError when an id is none.
    """
    key = RequestKey(candidate, uuid_of(request_id), _OF_ENROLLMENT, sha256(body))
    submission = Submission(new_ordered_id(), uuid_of(candidate), wanted.choice, None)
    return Entry(key, wanted.session_code, submission, pb.SubmitEnrollmentResponse)


def _entry(
    request: SubmitRequest,
    candidate: str,
    choice: Choice | None,
    admitted_to: Track | None,
    response_type: Callable[..., Message],
) -> Entry:
    key = key_of(request, asker=candidate)
    submission = Submission(new_ordered_id(), uuid_of(candidate), choice, admitted_to)
    return Entry(key, request.session_code, submission, response_type)
