"""The registration's state machine, walked exhaustively."""

import itertools

import pytest
from zikao_kit.errors import DomainError
from zikao_registration.domain.states import (
    KEPT_BY_MATERIAL,
    PENDING,
    STATE_NAMES_ZH,
    TRANSITIONS,
    Action,
    State,
    next_state,
)

FINAL = {State.APPROVED, State.ABANDONED}


@pytest.mark.parametrize(("state", "action"), list(itertools.product(State, Action)))
def test_every_pair_is_decided(state: State, action: Action) -> None:
    """Each action in each state leads where the table says or is refused by name."""
    if (state, action) in TRANSITIONS:
        assert next_state(state, action) is TRANSITIONS[state, action]
        return
    with pytest.raises(DomainError) as refused:
        next_state(state, action)
    assert refused.value.reason == "STATE_NOT_ALLOWED"
    assert refused.value.metadata["state"] == STATE_NAMES_ZH[state]


def test_final_states_have_one_way_out() -> None:
    """An approved or an abandoned registration only begins anew, as a draft."""
    ways = {key: after for key, after in TRANSITIONS.items() if key[0] in FINAL}
    assert ways == {(state, Action.REGISTER_ANEW): State.DRAFT for state in FINAL}


def test_every_state_is_reached_from_a_draft() -> None:
    """No state is there that no registration can come to."""
    reached = {State.DRAFT}
    for _ in State:
        reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}
    assert reached == set(State)


def test_only_a_pending_registration_is_decided() -> None:
    """Approval and rejection need a registration that was handed in."""
    decided = {state for state, action in TRANSITIONS if action in {Action.APPROVE, Action.REJECT}}
    assert decided == PENDING


def test_a_first_approval_is_given_once() -> None:
    """A second officer approves or rejects for good; nothing else keeps a first approval."""
    first = {key: after for key, after in TRANSITIONS.items() if key[1] is Action.APPROVE_FIRST}
    assert first == {(State.PENDING_REVIEW, Action.APPROVE_FIRST): State.PENDING_CONFIRMATION}
    confirming = {
        action: next_state(State.PENDING_CONFIRMATION, action)
        for action in (Action.APPROVE, Action.REJECT, Action.EXPIRE, Action.ADD_MATERIAL)
    }
    assert list(confirming.values()) == [
        State.APPROVED,
        State.REJECTED,
        State.ABANDONED,
        State.PENDING_REVIEW,
    ]


def test_only_a_pending_registration_is_kept_by_material() -> None:
    """Material keeps nothing alive that a candidate has still to hand in."""
    assert {state for state, action in TRANSITIONS if action is Action.APPROVE} == KEPT_BY_MATERIAL


def test_pending_registration_cannot_be_edited() -> None:
    """What an office reviews does not change under its eyes."""
    with pytest.raises(DomainError, match="STATE_NOT_ALLOWED"):
        next_state(State.PENDING_REVIEW, Action.EDIT)
