"""Login names and the limit of attempts."""

from datetime import UTC, date, datetime, timedelta

import pytest
from zikao_kit.errors import DomainError
from zikao_registration.domain.documents import Document, DocumentType
from zikao_registration.domain.logins import CallerAttempts, LoginLimit, choose_login_name

NOW = datetime(2022, 2, 21, 4, tzinfo=UTC)
TODAY = date(2022, 2, 21)
OWN = Document(DocumentType.RESIDENT_ID, "440524188001010014")
LIMIT = LoginLimit(
    attempts=3, attempts_per_caller=10, caller_failure_share=0.5, window=timedelta(minutes=15)
)


@pytest.mark.parametrize("name", ["", "  ", OWN.number, "４４０５２４1880 01010014"])
def test_document_number_is_the_name_of_who_chose_none(name: str) -> None:
    """Nothing, blanks and the own number in any spelling all give the own number."""
    assert choose_login_name(name, OWN, today=TODAY) == OWN.number


def test_chosen_names_have_one_spelling() -> None:
    """Case, width and blanks do not make another name."""
    for name in ("Xiao Ming", "xiaoming", "ＸＩＡＯＭＩＮＧ"):
        assert choose_login_name(name, OWN, today=TODAY) == "XIAOMING"


@pytest.mark.parametrize(
    "name",
    ["11010519491231002X", "110105491231002", "H12345678", "h1234567801", "12345678"],
)
@pytest.mark.parametrize("document", [OWN, None])
def test_numbers_of_others_are_refused(name: str, document: Document | None) -> None:
    """Nobody, staff included, takes the name under which somebody else would log in."""
    with pytest.raises(DomainError) as refused:
        choose_login_name(name, document, today=TODAY)
    assert refused.value.reason == "INVALID_REQUEST"
    assert [problem.field for problem in refused.value.fields] == ["login_name"]


def test_staff_needs_a_name() -> None:
    """Blanks are no name of somebody without a document."""
    with pytest.raises(DomainError, match="login_name"):
        choose_login_name("   ", None, today=TODAY)


def test_limit_says_when_to_come_again() -> None:
    """The last attempt allowed passes; the next is locked until the first has lapsed."""
    first_at = NOW - timedelta(minutes=5)
    LIMIT.require_name(3, first_at, NOW)
    with pytest.raises(DomainError, match="LOGIN_LOCKED") as locked:
        LIMIT.require_name(4, first_at, NOW)
    assert locked.value.retry_after == timedelta(minutes=10)
    assert LIMIT.lapsed_at(NOW) == NOW - timedelta(minutes=15)


@pytest.mark.parametrize(("attempts", "failures"), [(9, 9), (21, 10), (300_000, 6000), (0, 0)])
def test_callers_may_fail_seldom(attempts: int, failures: int) -> None:
    """Below the limit, or less often than not, a caller's failures stop nobody."""
    LIMIT.require_caller(CallerAttempts(attempts, failures, NOW), NOW)


@pytest.mark.parametrize(("attempts", "failures"), [(10, 10), (20, 10), (9000, 5000)])
def test_callers_that_mostly_fail_are_stopped(attempts: int, failures: int) -> None:
    """With as many failures as the limit, and half of all attempts, it is told when to come."""
    counted = CallerAttempts(attempts, failures, NOW - timedelta(minutes=5))
    with pytest.raises(DomainError, match="LOGIN_LOCKED") as locked:
        LIMIT.require_caller(counted, NOW)
    assert locked.value.retry_after == timedelta(minutes=10)
