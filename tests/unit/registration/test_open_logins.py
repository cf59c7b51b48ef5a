"""Refresh tokens, initial passwords, and how far a reader has heard of revoked logins."""

from uuid import UUID

import pytest
from zikao_kit.errors import DomainError
from zikao_registration.domain.accounts import is_initial_password
from zikao_registration.domain.open_logins import RefreshToken
from zikao_registration.domain.revocations import BEFORE_EVERYTHING, RevocationCursor

LOGIN_ID = UUID("8f0f3c9e-5a1b-4b57-9c35-0d7c2f0a6b11")
FAMILY, SECRET = "f" * 22, "s" * 43


def test_a_refresh_token_is_read_back() -> None:
    """The text names its login, and its hash does not show it."""
    token = RefreshToken(LOGIN_ID, FAMILY, SECRET)
    assert RefreshToken.parse(str(token)) == token
    assert len(token.sha256) == 32
    assert SECRET not in repr(token)
    assert FAMILY not in repr(token)


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", SECRET, f".{FAMILY}.{SECRET}", f"{LOGIN_ID.hex}.{SECRET}"),
        *(f"{LOGIN_ID}.{FAMILY}.{SECRET}", f"{LOGIN_ID.hex}.{FAMILY}.{SECRET}s"),
    ],
)
def test_what_is_no_refresh_token(text: str) -> None:
    """Nothing else is looked up."""
    assert RefreshToken.parse(text) is None


@pytest.mark.parametrize("password", ["01002X", "01002x", " 01002Ｘ", "０１００２x"])
def test_the_initial_password_in_every_spelling(password: str) -> None:
    """The last 6 characters of the number, as people write them."""
    assert is_initial_password("510104199112301002X"[1:], password)
    assert not is_initial_password("510104199112310011", password)


@pytest.mark.parametrize("password", ["", "X", "1002X", "0101002X", "1104199112301002X"])
def test_nothing_else_is_the_initial_password(password: str) -> None:
    """Neither more nor fewer characters."""
    assert not is_initial_password("510104199112301002X"[1:], password)


def test_a_cursor_is_read_back() -> None:
    """At the beginning, on a page, and after the last one."""
    first = RevocationCursor.parse("")
    assert first.seen == BEFORE_EVERYTHING
    page = RevocationCursor(first.seen, "10:20:10,14").after("12", UUID(int=7))
    assert RevocationCursor.parse(str(page)) == page
    done = page.done()
    assert RevocationCursor.parse(str(done)) == done == RevocationCursor("10:20:10,14")


@pytest.mark.parametrize("text", ["x", "1:2", "1:2:3,", "1:2:/1:2:", "1:2:/1:2:/5/x", "1:1:/x"])
def test_a_broken_cursor(text: str) -> None:
    """Is told so, and asked of no database."""
    with pytest.raises(DomainError, match="INVALID_REQUEST"):
        RevocationCursor.parse(text)
