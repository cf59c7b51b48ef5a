"""What acts of offices make of a session, and what is closed for whom."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from support.enrollment_sessions import OPENS_AT, small_session
from zikao_enrollment.converts.offices import act_from_json, act_to_json
from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.choices import Choice, without_closed
from zikao_enrollment.domain.closings import Closed, closing_error
from zikao_enrollment.domain.office_acts import (
    Act,
    ChangeCapacities,
    CloseEnrollment,
    OfficeAction,
    OpenEnrollment,
    Proposal,
    RequestRefundAgain,
    SetAdmissionRate,
    effect_of,
)
from zikao_enrollment.domain.timetable import Track
from zikao_kit.errors import DomainError
from zikao_kit.office_acts import ActionState

SESSION = small_session(2)
SLOTS = tuple(reversed(SESSION.slots))
CLOSINGS = {Closed("51", "00003"): "教材", Closed("5101", ""): "全市", Closed("510722", ""): "维修"}


@pytest.mark.parametrize(
    ("county", "course", "reason"),
    [
        ("510104", "00001", "全市"),
        ("510722", "00001", "维修"),
        ("510723", "00003", "教材"),
        ("510723", "00001", None),
        ("500101", "00003", None),
    ],
)
def test_what_is_closed_for_whom(county: str, course: str, reason: str | None) -> None:
    """A prefix closes all counties that begin with it, a course that course alone."""
    error = closing_error(CLOSINGS, county, [course])
    assert (error.metadata["detail"] if error else None) == reason


def test_closed_counties_are_left_out_of_a_choice_unless_that_is_all() -> None:
    """What a candidate likes less counts then; without any, the first one's reason is told."""
    session = replace(SESSION, closings={Closed("510104", ""): "维修"})
    choice = Choice(("00001",), ("510104", "510105"))
    assert without_closed(session, choice).county_codes == ("510105",)
    assert without_closed(SESSION, choice) is choice
    alone = Choice(("00001",), ("510104",))
    assert without_closed(session, alone) == alone


def test_closings_of_a_session_are_bounded() -> None:
    """All are in every timetable; the reason of one that exists can still be changed."""
    closings = {Closed("51", f"{number:05}"): "维修" for number in range(10, 510)}
    session = replace(SESSION, closings=closings)
    with pytest.raises(DomainError) as refused:
        effect_of(session, "51", CloseEnrollment("00001", "维修"))
    assert [each.field for each in refused.value.fields] == ["county_prefix"]
    assert "500项" in refused.value.fields[0].description
    kept = CloseEnrollment("00001", "教材")
    del closings[Closed("51", "00010")]
    full = effect_of(replace(session, closings=closings), "51", kept).session
    assert effect_of(full, "51", kept).after == {"course_code": "00001", "reason": "教材"}


def test_seats_go_to_their_slots_however_a_session_lists_them() -> None:
    """What was not named stays as it was; what is audited is what has changed."""
    session = replace(SESSION, slots=SLOTS)
    act = ChangeCapacities(((SeatKey("510104", 1), 7), (SeatKey("510104", 2), 2)))
    effect = effect_of(session, "51", act)
    assert effect.session.county_by_code["510104"].seats == (2, 7)
    assert effect.session.capacities() == {**SESSION.capacities(), ("510104", 1): 7}
    assert (effect.before, effect.after) == ({"510104:1": 2}, {"510104:1": 7})
    again = effect_of(effect.session, "51", act)
    assert again.session == effect.session


@pytest.mark.parametrize(
    "act",
    [
        ChangeCapacities(((SeatKey("510104", 1), 0), (SeatKey("510105", 2), 5))),
        CloseEnrollment("00001", "考点维修"),
        OpenEnrollment(""),
        RequestRefundAgain(UUID(int=7)),
        SetAdmissionRate(Track.APPLIED, 300, hold=True),
        SetAdmissionRate(Track.SOCIAL, 0, hold=False),
    ],
)
def test_an_act_survives_its_storing(act: Act) -> None:
    """What waits for a second officer is what the first one proposed."""
    assert act_from_json(act_to_json(act)) == act


def test_a_decision_needs_a_second_officer_in_time() -> None:
    """The first one may reject, nobody may decide twice or too late."""
    proposal = Proposal("22.1", "510104", OpenEnrollment(""))
    action = OfficeAction(
        UUID(int=1), proposal, ActionState.PENDING, "a", OPENS_AT, OPENS_AT + timedelta(hours=1)
    )
    confirmed = action.decided("b", OPENS_AT, confirm=True)
    assert (confirmed.state, confirmed.decided_by) == (ActionState.DONE, "b")
    assert action.decided("a", OPENS_AT, confirm=False).state is ActionState.REJECTED
    late = OPENS_AT + timedelta(hours=1)
    for known, officer, at, reason in (
        (action, "a", OPENS_AT, "SECOND_OFFICER_NEEDED"),
        (action, "b", late, "ACTION_DECIDED"),
        (confirmed, "c", OPENS_AT, "ACTION_DECIDED"),
    ):
        with pytest.raises(DomainError) as refused:
            known.decided(officer, at, confirm=True)
        assert refused.value.reason == reason
