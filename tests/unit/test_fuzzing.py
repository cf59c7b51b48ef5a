"""Those who fuzz make no request that the machine has no room for, and excuse no answer."""

from dataclasses import replace
from random import Random

import pytest
from google.protobuf.descriptor import MethodDescriptor
from support.authorisation import methods_of
from support.fuzz_messages import LARGEST_BYTES, MessageMaker
from support.fuzzing import Fuzzer, Outcome, Shot, is_lost, problems
from zikao_kit.config import MAX_MESSAGE_BYTES

SECONDS = 1_646_000_000
SHOTS = 10_000
TEXT = "SERVER: Received message larger than max ({} vs. {})"


def method(name: str) -> MethodDescriptor:
    """One of enrollment's."""
    (found,) = (each for each in methods_of("zikao.enrollment.v1") if each.name == name)
    return found


@pytest.mark.parametrize("name", ["ChangeCapacities", "SubmitEnrollments"])
def test_requests_are_large_and_not_enormous(name: str) -> None:
    """Lists of long texts would be hundreds of MiB; some requests are too large for a server."""
    chance = Random(f"221 {method(name).full_name}")
    fuzzer = Fuzzer(method(name), chance, MessageMaker(chance, {}, SECONDS))
    sizes = [len(part) for shot in fuzzer.shots(SHOTS) for part in shot.parts]
    assert MAX_MESSAGE_BYTES < max(sizes) < 4 * LARGEST_BYTES


@pytest.mark.parametrize(
    ("size", "told", "excused"),
    [
        (MAX_MESSAGE_BYTES + 1, MAX_MESSAGE_BYTES + 1, True),
        (MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES, False),
        (MAX_MESSAGE_BYTES + 1, 300_419_396, False),
    ],
)
def test_the_transports_answer_is_right_for_what_is_too_large(
    size: int, told: int, excused: bool
) -> None:
    """It has no reason of ours: only a message of just that size may be refused so."""
    text = TEXT.format(told, MAX_MESSAGE_BYTES)
    outcome = Outcome(Shot((b"", bytes(size))), "RESOURCE_EXHAUSTED", text=text)
    for broken, others in (([outcome], []), ([], [outcome])):
        wrong = problems(method("ImportStatement"), broken, others, MAX_MESSAGE_BYTES)
        assert (wrong == []) == excused


ENDED = "Stream removed (Socket closed (GOAWAY received; Error code: 0; Debug Text: max_age))"
RESET = "Stream removed (recvmsg:Connection reset by peer (104))"


@pytest.mark.parametrize(
    ("name", "lost", "of_all"),
    [
        (
            "ImportStatement",
            Outcome(Shot((b"",)), "INTERNAL", "", "Internal error from Core"),
            False,
        ),
        ("SavePlan", Outcome(Shot((b"",)), "UNAVAILABLE", "", ENDED), True),
        ("SavePlan", Outcome(Shot((b"",)), "UNAVAILABLE", "", RESET), True),
    ],
)
def test_a_status_that_was_lost_is_none(name: str, lost: Outcome, of_all: bool) -> None:
    """What gRPC's client says in its place excuses nothing: it has to be heard, by sending again.

    A server's own UNAVAILABLE has been heard, and a single request has no stream to lose it.
    """
    assert is_lost(method(name), lost)
    assert problems(method(name), [], [lost], MAX_MESSAGE_BYTES)
    assert is_lost(method("GetTimetable"), lost) == of_all
    heard = replace(lost, code="UNAVAILABLE", reason="UNAVAILABLE")
    assert not is_lost(method("SavePlan"), heard)


def test_a_stream_that_cannot_look_now_is_opened_again() -> None:
    """A process that was kept from its work says so; who goes on saying so was asked badly."""
    refused = Outcome(Shot((b"",)), "UNAVAILABLE", "UNAVAILABLE")
    assert is_lost(method("ImportStatement"), refused)
    assert problems(method("ImportStatement"), [refused], [], MAX_MESSAGE_BYTES)
