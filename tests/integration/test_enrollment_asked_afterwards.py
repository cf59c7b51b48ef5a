"""What candidates of a rehearsal were told, compared with what they are told of their orders."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from support.enrollment_people import JINJIANG, QINGYANG, hold, open_enrollment
from support.enrollment_service import Installation
from support.enrollment_sessions import small_session
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import types_pb2 as types
from zikao_ctl.rush.people import Candidate
from zikao_ctl.rush.submissions import ACCEPTED, REFUSED, Submission, bearer_of
from zikao_ctl.rush.verifying import Orders

NOTHING_WRONG: dict[str, list[str]] = {
    "lost_acknowledgements": [],
    "unacknowledged_orders": [],
    "two_counties": [],
    "unseen": [],
}


def submission_of(running: Installation, number: int) -> Submission:
    """Of candidate `number`, refused so far."""
    candidate = Candidate(
        number=number,
        candidate_id=UUID(int=number),
        arrives=0.0,
        course_codes=("00001", "00003"),
        county_codes=(JINJIANG,),
        way="enrollment",
        browses=False,
        waits=False,
        tabs=1,
        pays="",
        pays_after=0.0,
    )
    token = running.token(str(candidate.candidate_id))
    submission = Submission(candidate, "22.1", bearer_of(token))
    submission.outcome = REFUSED
    return submission


def told(submission: Submission, order: types.Order) -> Submission:
    """The candidate, who was told of seats."""
    submission.outcome = ACCEPTED
    submission.answer = enrollment.SubmitEnrollmentResponse(order=order).SerializeToString()
    return submission


def ids(*submissions: Submission) -> list[str]:
    """Of their candidates."""
    return [str(each.candidate.candidate_id) for each in submissions]


async def test_every_answer_is_compared_with_the_orders_there_are(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """What was there before is nobody's fault; who cannot be asked is named, and others are seen.

    Afterwards seats that were taken are given back, and only those.
    """
    async with open_enrollment(
        make_database, tmp_path, session=small_session(seats=9), candidates=6
    ) as running:
        everybody = [submission_of(running, number) for number in range(1, 7)]
        earlier, right, lost, secret, doubtful, stranger = everybody
        stranger.metadata = bearer_of("none")
        before = await hold(running, 1)
        orders = Orders((await running.caller("portal")).channel)
        await orders.look(everybody[:-1])
        told(right, await hold(running, 2))
        elsewhere = await hold(running, 3)
        elsewhere.county_code = QINGYANG
        told(lost, elsewhere)
        await hold(running, 4)
        await hold(running, 5)
        doubtful.doubtful = True
        assert await orders.compare(everybody) == NOTHING_WRONG | {
            "lost_acknowledgements": ids(lost),
            "unacknowledged_orders": ids(secret),
            "unseen": ids(stranger),
        }
        told(stranger, before)
        assert await orders.give_back(everybody) == {"kept": [before.order_id]}
        held = await running.rows(
            "SELECT candidate_id::text FROM enrollment.enrollment_order WHERE state = 'held'"
            " ORDER BY candidate_id"
        )
        assert [row[0] for row in held] == ids(earlier, secret, doubtful)
