"""Submissions of a portal in which nothing is new but who submits and the request id.

In a rush without a waiting room, or once that is open, it is nearly every one: the token was
verified when the plan was saved, and the choice is that of thousands. What they have in common is
looked at once a message. Plans, and submissions with a pass, are looked at by themselves.
"""

from __future__ import annotations

import structlog
from zikao.enrollment.v1 import enrollment_service_pb2, portal_service_pb2
from zikao_kit.errors import DomainError
from zikao_kit.policy import MethodPolicy
from zikao_kit.tokens import TokenVerifier

from zikao_enrollment.converts.portals import Wanted, body_of, id_in, wanted_by
from zikao_enrollment.seats.desk import Entry
from zikao_enrollment.seats.submitting import Submitting, open_entry

# A candidate is let in to a stream as to the unary call, whose contract says who may.
UNARY = MethodPolicy.of(
    enrollment_service_pb2.DESCRIPTOR.services_by_name["EnrollmentService"].methods_by_name[
        "SubmitEnrollment"
    ]
)
log = structlog.get_logger()


class Familiar:
    """Makes the entries of one message's submissions that need not be looked at by themselves."""

    def __init__(self, submitting: Submitting, verifier: TokenVerifier, portal: str) -> None:
        self._submitting = submitting
        self._verifier = verifier
        self._portal = portal
        self._now = verifier.now()
        # By the identity of what is wanted, which is kept: to hash it would take longer.
        self._open: dict[int, tuple[bool, Wanted]] = {}

    def entry_of(self, submission: portal_service_pb2.Submission) -> tuple[str, Entry] | None:
        """The request id as it was sent, and the entry; None for what is to be looked at."""
        try:
            return self._entry_of(submission)
        except (DomainError, ValueError):
            return None  # whoever looks at it says what is wrong with it
        except Exception:
            log.exception("a submission could not be looked at quickly")
            return None

    def _entry_of(self, submission: portal_service_pb2.Submission) -> tuple[str, Entry] | None:
        body = body_of(submission)
        wanted = wanted_by(body)
        if wanted is None or submission.admission_pass or not self._is_open(wanted):
            return None
        said = self._verifier.recall(submission.access_token, self._portal, self._now)
        if said is None or not UNARY.may(said.role, restricted=said.restricted):
            return None
        request_id = id_in(body)
        return request_id, open_entry(said.subject, request_id, body, wanted)

    def _is_open(self, wanted: Wanted) -> bool:
        found = self._open.get(id(wanted))
        if found is None:
            found = self._open[id(wanted)] = self._submitting.is_open(wanted), wanted
        return found[0]
