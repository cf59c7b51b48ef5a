"""What one decision makes of one registration, whatever came before."""

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from zikao_kit.errors import DomainError
from zikao_registration.domain.documents import Document, DocumentType
from zikao_registration.domain.personal import PersonalData
from zikao_registration.domain.registration import Decision, Registration, RejectionReason
from zikao_registration.domain.reviewing import judge
from zikao_registration.domain.states import PENDING, State

NOW = datetime(2022, 2, 22, 4, tzinfo=UTC)
OFFICER, FIRST = UUID(int=1), UUID(int=2)
APPROVAL = Decision(approved=True, reasons=(), comment="", decided_at=NOW)
REJECTION = Decision(False, (RejectionReason.PHOTO,), "照片不清楚", NOW)


def registration(state: State, lease: timedelta = timedelta(minutes=5)) -> Registration:
    """One that the officer holds, approved first by another where that is its state."""
    return Registration(
        candidate_id=UUID(int=3),
        session_code="22.1",
        state=state,
        document=Document(DocumentType.RESIDENT_ID, "11010519491231002X"),
        personal=PersonalData(county_code="510104"),
        updated_at=NOW - timedelta(hours=1),
        submitted_at=NOW - timedelta(hours=1),
        leased_by=OFFICER,
        leased_until=NOW + lease,
        first_approved_by=FIRST if state is State.PENDING_CONFIRMATION else None,
    )


@pytest.mark.parametrize(
    ("state", "decision", "is_drawn"),
    list(itertools.product(State, (APPROVAL, REJECTION), (False, True))),
)
def test_every_decision_in_every_state(state: State, decision: Decision, *, is_drawn: bool) -> None:
    """Only what is pending is decided; who is drawn is approved by the second approval alone."""
    before = registration(state)
    if state not in PENDING:
        with pytest.raises(DomainError, match="STATE_NOT_ALLOWED"):
            judge(before, decision, OFFICER, is_drawn=is_drawn)
        return
    after = judge(before, decision, OFFICER, is_drawn=is_drawn)
    waits = decision.approved and is_drawn and state is State.PENDING_REVIEW
    if waits:
        assert (after.state, after.first_approved_by) == (State.PENDING_CONFIRMATION, OFFICER)
        assert after.last_decision is None
    else:
        assert after.state is (State.APPROVED if decision.approved else State.REJECTED)
        assert (after.first_approved_by, after.last_decision) == (None, decision)
    assert (after.leased_by, after.leased_until, after.updated_at) == (None, None, NOW)


@pytest.mark.parametrize("lease", [timedelta(0), timedelta(seconds=-1)])
def test_a_lease_ends_at_its_end(lease: timedelta) -> None:
    """At the moment of its end the officer decides no more."""
    with pytest.raises(DomainError, match="LEASE_LOST"):
        judge(registration(State.PENDING_REVIEW, lease), APPROVAL, OFFICER, is_drawn=False)


def test_nobody_decides_what_another_holds() -> None:
    """A lease is its officer's alone."""
    with pytest.raises(DomainError, match="LEASE_LOST"):
        judge(registration(State.PENDING_REVIEW), APPROVAL, FIRST, is_drawn=False)
