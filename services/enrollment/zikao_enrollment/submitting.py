"""From a candidate's request to its answer: through the batcher, and past who is not known yet."""

from collections.abc import Callable

from google.protobuf.message import Message
from zikao.enrollment.v1 import enrollment_service_pb2 as pb
from zikao_kit.batcher import Batcher, Listener
from zikao_kit.idempotency import key_of
from zikao_kit.ids import new_ordered_id, uuid_of

from zikao_enrollment.converts.orders import choice_from_pb
from zikao_enrollment.converts.portals import SubmitRequest
from zikao_enrollment.desk import Entry
from zikao_enrollment.domain.wishes import Submission
from zikao_enrollment.doorman import Doorman
from zikao_enrollment.newcomers import Newcomers


class Submitting:
    """Unary calls and portals' streams end in the same batches, under the same request ids."""

    def __init__(self, batcher: Batcher[Entry], newcomers: Newcomers, doorman: Doorman) -> None:
        self._batcher = batcher
        self._newcomers = newcomers
        self._doorman = doorman

    async def submit(self, entry: Entry) -> bytes:
        """Wait for the answer, the serialized response; raises the refusal.

        Registration is asked for a candidate whom the feed has not brought yet.
        """
        self._require_hope(entry)
        return await self._newcomers.with_candidate(
            entry.wish.candidate_id, lambda: self._batcher.submit(entry.key, entry)
        )

    def enter(self, entry: Entry, listener: Listener) -> None:
        """Let `listener` take the answer; registration is asked for nobody.

        Raises REQUEST_ID_REUSED when the id is under way with another body, and SOLD_OUT.
        """
        self._require_hope(entry)
        self._batcher.enter(entry.key, entry, listener)

    def _require_hope(self, entry: Entry) -> None:
        """Raise SOLD_OUT when that is sure, and no earlier attempt may be answered otherwise."""
        refusal = self._doorman.refusal(entry.session_code or "", entry.key.actor, entry.wish)
        if refusal is not None and not self._batcher.is_under_way(entry.key):
            raise refusal


def entry_of(request: SubmitRequest, candidate: str) -> Entry:
    """The request of a candidate (the subject of a token) as it goes into a batch."""
    key = key_of(request, asker=candidate)
    response_type: Callable[..., Message] = pb.SubmitPlanResponse
    choice = None
    if isinstance(request, pb.SubmitEnrollmentRequest):
        choice, response_type = choice_from_pb(request.choice), pb.SubmitEnrollmentResponse
    submission = Submission(new_ordered_id(), uuid_of(candidate), choice)
    return Entry(key, request.session_code, submission, response_type)
