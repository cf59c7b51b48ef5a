"""Requests whose content is known to be good: what may be left out, and what never."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import portal_service_pb2 as portal
from zikao.registration.v1 import account_service_pb2 as account
from zikao.registration.v1 import review_service_pb2 as review
from zikao.test.v1 import probe_pb2
from zikao_kit.valid_contents import CONTENTS_KEPT, MAX_CONTENT_BYTES, ValidContents
from zikao_kit.validation import problems_in

KIND = enrollment.SubmitEnrollmentRequest
IDS = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda each: str(each).upper()),
    st.sampled_from(["", "x", "0" * 36, "g" * 36, str(uuid4())[:-1], str(uuid4()) + "0"]),
)


def request(request_id: str, *county_codes: str) -> bytes:
    """A submission as it goes over the wire."""
    choice = enrollment.EnrollmentChoice(course_codes=["00001"], county_codes=county_codes)
    return KIND(request_id=request_id, session_code="22.1", choice=choice).SerializeToString()


def new_id() -> str:
    """A good one."""
    return str(uuid4())


def test_what_differs_in_its_id_alone_is_known() -> None:
    """Who wants what another has wanted is not looked at again; who wants something else is."""
    valid = ValidContents(KIND.DESCRIPTOR)
    assert request(new_id(), "510104") not in valid
    valid.add(request(new_id(), "510104"))
    assert request(new_id(), "510104") in valid
    assert request(new_id(), "510105") not in valid
    assert request(new_id(), "510104", "510105") not in valid


@given(first=IDS, then=IDS, codes=st.lists(st.sampled_from(["510104", "510105", "x"]), max_size=2))
def test_nothing_bad_is_known(first: str, then: str, codes: list[str]) -> None:
    """Whatever was found good before: what is known now would be found good, too.

    Also of what brings its id twice, of which the last counts.
    """
    valid = ValidContents(KIND.DESCRIPTOR)
    twice = KIND(request_id=then).SerializeToString()
    seen = [request(first, *codes), request(first, *codes) + twice]
    for raw in seen:
        if not problems_in(KIND.FromString(raw)):
            valid.add(raw)
    for raw in (*seen, request(then, *codes), request(then, *codes) + twice):
        if raw in valid:
            assert problems_in(KIND.FromString(raw)) == []


def test_a_request_without_an_id_is_known_as_a_whole() -> None:
    """So is what has no id to be left out."""
    valid = ValidContents(enrollment.GetAvailabilityRequest.DESCRIPTOR)
    look = enrollment.GetAvailabilityRequest(session_code="22.1", county_prefix="51")
    valid.add(look.SerializeToString())
    assert look.SerializeToString() in valid
    look.county_prefix = "52"
    assert look.SerializeToString() not in valid


def test_a_rule_about_several_fields_sees_the_id() -> None:
    """Where the whole is judged, the id is not left out."""
    kind = review.DecideRegistrationRequest
    valid = ValidContents(kind.DESCRIPTOR)
    valid.add(kind(request_id=new_id(), approve=True).SerializeToString())
    assert kind(request_id=new_id(), approve=True).SerializeToString() not in valid


@pytest.mark.parametrize(
    "message",
    [
        account.LogInRequest(),
        portal.SubmitEnrollmentsRequest(submissions=[portal.Submission(access_token="a.b.c")]),
        probe_pb2.ConstrainedRequest(courses=2),
    ],
    ids=["a password", "a token further in", "times"],
)
def test_what_is_personal_or_of_an_hour_is_not_kept(message: Any) -> None:
    """Nothing of it stays in memory, and it is judged each time."""
    valid = ValidContents(message.DESCRIPTOR)
    valid.add(message.SerializeToString())
    assert message.SerializeToString() not in valid


def test_only_some_are_kept_and_no_large_one() -> None:
    """Whoever asks for something else each time takes no more memory than so many."""
    valid, first = ValidContents(KIND.DESCRIPTOR), request(new_id(), "first")
    valid.add(first)
    for number in range(CONTENTS_KEPT - 1):
        valid.add(request(new_id(), str(number)))
    assert first in valid
    valid.add(request(new_id(), "last"))
    assert first not in valid
    assert request(new_id(), "last") in valid
    large = request(new_id(), "5" * MAX_CONTENT_BYTES)
    valid.add(large)
    assert large not in valid
