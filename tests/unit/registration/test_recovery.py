"""What counts as the same name or answer, and how often one may try."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao_kit.errors import DomainError
from zikao_registration.domain.messages import Channel
from zikao_registration.domain.personal import PersonalData
from zikao_registration.domain.recovery import (
    RecoveryLimit,
    SecurityQuestion,
    contact,
    is_same_name,
    plain_answer,
    plausible_question,
)

NOW = datetime(2022, 2, 21, 4, tzinfo=UTC)
LIMIT = RecoveryLimit(attempts=3, attempts_per_ticket_number=30, window=timedelta(days=1))


@pytest.mark.parametrize("dot", ["·", "•", "‧", "・", "．", "."])
def test_every_dot_is_the_same(dot: str) -> None:
    """Keyboards have many dots for one in a name."""
    assert is_same_name(f"阿依古丽{dot}买买提", "阿依古丽·买买提")


@pytest.mark.parametrize("other", ["阿依古丽买买提", "阿依古丽·买买", "王一"])
def test_another_name_is_another(other: str) -> None:
    """Nothing but width, blanks and the form of the dot is passed over."""
    assert not is_same_name(other, "阿依古丽·买买提")


def test_rare_characters_are_told_apart() -> None:
    """Characters of extension planes are compared as they are."""
    assert is_same_name("王\U0002cc56", "王\U0002cc56")
    assert not is_same_name("王\U0002cc56", "王\U0002cc57")


@given(st.text(max_size=30))
def test_an_answer_is_its_own_plain_form(answer: str) -> None:
    """Making an answer plain twice changes nothing more."""
    assert plain_answer(plain_answer(answer)) == plain_answer(answer)


def test_answers_forgive_spelling() -> None:
    """Case, width, blanks and punctuation do not matter; letters do."""
    assert plain_answer("  Ｃｈｅｎｇｄｕ，锦江 区！") == plain_answer("chengdu锦江区")
    assert plain_answer("成都") != plain_answer("成都市")


@given(st.binary(min_size=32, max_size=32))
def test_plausible_questions_are_standard_ones(digest: bytes) -> None:
    """Who has set no question is given one that somebody could have set, always the same."""
    assert plausible_question(digest) in set(SecurityQuestion)
    assert plausible_question(digest) is plausible_question(digest)


def test_attempts_beyond_the_limit_say_when_to_come_again() -> None:
    """The fourth attempt waits until a day after the first."""
    first_at = NOW - timedelta(hours=5)
    LIMIT.require_document(3, first_at, NOW)
    with pytest.raises(DomainError, match="RECOVERY_LOCKED") as refused:
        LIMIT.require_document(4, first_at, NOW)
    assert refused.value.retry_after == timedelta(hours=19)
    with pytest.raises(DomainError, match="RECOVERY_LOCKED"):
        LIMIT.require_ticket_number(31, first_at, NOW)
    LIMIT.require_ticket_number(30, first_at, NOW)


def test_contacts_by_channel() -> None:
    """Mail goes to the address, SMS to the mobile number."""
    personal = PersonalData(mobile="13812345678", email="a@example.com")
    assert contact(personal, Channel.EMAIL) == "a@example.com"
    assert contact(personal, Channel.SMS) == "13812345678"
