"""Submissions of a stream are judged by the contract, also where its rules are not asked again."""

import tracemalloc
from collections.abc import Callable
from uuid import uuid4

import pytest
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import portal_service_pb2 as portal
from zikao_enrollment.converts.portals import request_of
from zikao_kit.errors import DomainError
from zikao_kit.validation import problems_in

# Number 15 of a message that has none, with 100,006 bytes to come.
UNKNOWN_FIELD, BALLAST = b"\x7a\xa6\x8d\x06", b"x" * 100_000
Spoil = Callable[[portal.Submission], None]
SPOILT: dict[str, Spoil] = {
    "no token": lambda s: s.ClearField("access_token"),
    "long token": lambda s: setattr(s, "access_token", "x" * 2049),
    "no id": lambda s: s.enrollment.ClearField("request_id"),
    "id without dashes": lambda s: setattr(s.enrollment, "request_id", uuid4().hex),
    "id in braces": lambda s: setattr(s.enrollment, "request_id", f"{{{uuid4()}}}"),
    "id and a line": lambda s: setattr(s.enrollment, "request_id", f"{uuid4()}\n"),
    "no session": lambda s: s.enrollment.ClearField("session_code"),
    "long session": lambda s: setattr(s.enrollment, "session_code", "考" * 17),
    "no choice": lambda s: s.enrollment.ClearField("choice"),
    "empty choice": lambda s: s.enrollment.choice.Clear(),
    "course twice": lambda s: s.enrollment.choice.course_codes.append("00001"),
    "bad county": lambda s: s.enrollment.choice.county_codes.append("51"),
    "no request": lambda s: s.ClearField("enrollment"),
    "empty plan": lambda s: s.plan.SetInParent(),
}
SOUND: dict[str, Spoil] = {
    "capital id": lambda s: setattr(s.enrollment, "request_id", str(uuid4()).upper()),
    "longest token": lambda s: setattr(s, "access_token", "x" * 2048),
    "longest session": lambda s: setattr(s.enrollment, "session_code", "考" * 16),
}


def submission() -> portal.Submission:
    """One in which nothing is wrong."""
    return portal.Submission(
        access_token="x",
        enrollment=enrollment.SubmitEnrollmentRequest(
            request_id=str(uuid4()),
            session_code="22.1",
            choice=enrollment.EnrollmentChoice(course_codes=["00001"], county_codes=["510104"]),
        ),
    )


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_breaks_the_contract_is_refused_also_beside_a_known_choice(spoil: Spoil) -> None:
    """The same problems as the contract's rules find, though the choice has passed them before."""
    request_of(submission())
    bad = submission()
    spoil(bad)
    for _ in range(2):
        with pytest.raises(DomainError) as refused:
            request_of(bad)
        assert refused.value.reason == "INVALID_REQUEST"
        assert list(refused.value.fields) == problems_in(bad) != []


@pytest.mark.parametrize("change", SOUND.values(), ids=SOUND)
def test_what_keeps_the_contract_passes(change: Spoil) -> None:
    """Whether its choice was seen before or not."""
    good = submission()
    change(good)
    assert problems_in(good) == []
    assert request_of(good)[0] == request_of(good)[0] == good.enrollment


def test_a_nul_is_refused_beside_a_known_choice() -> None:
    """The database could not keep it."""
    request_of(submission())
    bad = submission()
    bad.enrollment.session_code = "22\0"
    with pytest.raises(DomainError) as refused:
        request_of(bad)
    assert [each.field for each in refused.value.fields] == ["enrollment.session_code"]


def test_no_ballast_is_kept_with_a_choice() -> None:
    """Fields that nobody knows pass the rules, and would fill the memory of what has passed."""
    tracemalloc.start()
    try:
        for number in range(100):
            heavy = submission()
            heavy.enrollment.choice.MergeFromString(UNKNOWN_FIELD + b"%06d" % number + BALLAST)
            assert request_of(heavy)[0] == heavy.enrollment
        assert tracemalloc.get_traced_memory()[0] < len(BALLAST) * 10
    finally:
        tracemalloc.stop()
