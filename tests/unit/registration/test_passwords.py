"""Passwords: length, commonness and the document number; no composition rules."""

import pytest
from zikao_kit.errors import DomainError
from zikao_registration.domain.passwords import check_password
from zxcvbn.frequency_lists import FREQUENCY_LISTS

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
        "qwertyuiop",
        "Michelle1",
        "zikao@2026",
        "KaoShiYuan_1",
        "自考准考证2026",
        NUMBER,
        NUMBER.lower(),
        "19491231",
        "my11010519491231002x",
        "110105491231002",
    ],
)
def test_guessable_passwords_are_refused(password: str) -> None:
    """Short, endless, common, trivial ones, names of this system, parts of the document number."""
    with pytest.raises(DomainError) as refused:
        check_password(password, document_number=NUMBER)
    assert refused.value.reason == "PASSWORD_REFUSED"
    assert password not in refused.value.metadata["detail"]


def test_thousands_that_leaked_elsewhere_are_refused() -> None:
    """More than the 3,000 most frequent that are long enough, however they are written."""
    leaked = [each for each in FREQUENCY_LISTS["passwords"] if len(each) >= 8]
    assert len(leaked) > 3000
    for password in (*leaked[:3000], leaked[0].upper()):
        with pytest.raises(DomainError):
            check_password(password)


@pytest.mark.parametrize(
    "password", ["zikao is my way", "我的自考之路在成都", "kaoshi-guixiang-22"]
)
def test_a_name_of_this_system_may_be_a_part(password: str) -> None:
    """What has something of its own besides is no common word."""
    check_password(password)


def test_staff_need_longer_ones() -> None:
    """The least length is the caller's."""
    with pytest.raises(DomainError, match="PASSWORD_REFUSED"):
        check_password("elevenchars", min_characters=12)
