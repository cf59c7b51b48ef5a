"""Passwords: length, commonness and the document number; no composition rules."""

import pytest
from zikao_kit.errors import DomainError
from zikao_registration.domain.passwords import check_password

NUMBER = "11010519491231002X"


@pytest.mark.parametrize(
    "password", ["只要够长就可以了呀", "correct horse", "lowercaseonly", "a" * 60 + "bc" * 34]
)
def test_long_enough_passwords_pass(password: str) -> None:
    """Any characters will do."""
    check_password(password, document_number=NUMBER)


@pytest.mark.parametrize(
    "password",
    [
        "short7!",
        "x" * 127 + "yz",
        "Password",
        "12345678",
        "987654321",
        "88888888",
        "abababab",
        "woaini1314",
        NUMBER,
        NUMBER.lower(),
        "19491231",
        "my11010519491231002x",
        "110105491231002",
    ],
)
def test_guessable_passwords_are_refused(password: str) -> None:
    """Short, endless, common and trivial ones, and any part of the document number."""
    with pytest.raises(DomainError) as refused:
        check_password(password, document_number=NUMBER)
    assert refused.value.reason == "PASSWORD_REFUSED"
    assert password not in refused.value.metadata["detail"]


def test_staff_need_longer_ones() -> None:
    """The least length is the caller's."""
    with pytest.raises(DomainError, match="PASSWORD_REFUSED"):
        check_password("elevenchars", min_characters=12)
