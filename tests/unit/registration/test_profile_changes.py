"""Profile changes: their states, walked exhaustively, and what may be asked for."""

import itertools
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from zikao_kit.errors import DomainError
from zikao_registration.domain.documents import DocumentType, Sex, parse_document
from zikao_registration.domain.personal import PersonalData
from zikao_registration.domain.profile_changes import (
    OPEN,
    STATE_NAMES_ZH,
    TRANSITIONS,
    ChangeAction,
    ChangeState,
    ProfileValues,
    changed,
    next_change_state,
    only_new,
    require_sound,
)
from zikao_registration.domain.registration import Registration
from zikao_registration.domain.states import State

NOW = datetime(2022, 3, 1, tzinfo=UTC)
TODAY = date(2022, 3, 1)
MAN = parse_document(DocumentType.RESIDENT_ID, "11010519491231002X", today=TODAY)
PERMIT = parse_document(DocumentType.HM_TRAVEL_PERMIT, "H12345678", today=TODAY)
REGISTRATION = Registration(
    candidate_id=UUID(int=1),
    session_code="22.1",
    state=State.APPROVED,
    document=MAN,
    personal=PersonalData(name="王建国", sex=MAN.sex, ethnicity_code="01", birth_date="1949-12-31"),
    updated_at=NOW - timedelta(days=1),
)


@pytest.mark.parametrize(("state", "action"), list(itertools.product(ChangeState, ChangeAction)))
def test_every_pair_is_decided(state: ChangeState, action: ChangeAction) -> None:
    """Each action in each state leads where the table says or is refused by name."""
    if (state, action) in TRANSITIONS:
        assert next_change_state(state, action) is TRANSITIONS[state, action]
        return
    with pytest.raises(DomainError) as refused:
        next_change_state(state, action)
    assert refused.value.reason == "PROFILE_CHANGE_STATE"
    assert refused.value.metadata["state"] == STATE_NAMES_ZH[state]


def test_every_state_is_reached_and_every_open_one_has_an_end() -> None:
    """From the first state all others are come to, and from every open one a closed one."""
    reached = {ChangeState.AWAITING_EVIDENCE}
    for _ in ChangeState:
        reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}
    assert reached == set(ChangeState)
    ends = {before for (before, _), after in TRANSITIONS.items() if after not in OPEN}
    assert ends == OPEN


def test_only_what_has_evidence_is_approved_and_only_that_is_applied() -> None:
    """No way leads to an effect but over evidence and an office."""
    before = {action: {s for s, a in TRANSITIONS if a is action} for action in ChangeAction}
    assert before[ChangeAction.APPROVE] == {ChangeState.PENDING}
    assert before[ChangeAction.APPLY] == {ChangeState.APPROVED}


def test_what_is_so_already_is_no_change() -> None:
    """Values as they are fall out; with nothing left the request is refused."""
    values = ProfileValues(name="王建国", sex=MAN.sex, document=MAN, ethnicity_code="02")
    assert only_new(values, REGISTRATION) == ProfileValues(ethnicity_code="02")
    with pytest.raises(DomainError) as refused:
        require_sound(only_new(ProfileValues(name="王建国"), REGISTRATION), REGISTRATION)
    assert [problem.field for problem in refused.value.fields] == ["changes"]


def test_every_bad_field_is_named_at_once() -> None:
    """A wrong form and a disagreement with the document come in one answer, under their names."""
    values = ProfileValues(name=" 王 ", ethnicity_code="77", birth_date="1950-01-01", sex=Sex.MALE)
    with pytest.raises(DomainError) as refused:
        require_sound(values, REGISTRATION)
    assert {problem.field for problem in refused.value.fields} == {
        "changes.name",
        "changes.ethnicity_code",
        "changes.birth_date",
        "changes.sex",
    }


def test_what_is_not_given_stays() -> None:
    """Another document changes nothing else; one without a birth date inside frees the date."""
    after = changed(REGISTRATION, ProfileValues(document=PERMIT))
    assert (after.document, after.personal) == (PERMIT, REGISTRATION.personal)
    require_sound(ProfileValues(document=PERMIT, birth_date="1950-01-01"), REGISTRATION)
