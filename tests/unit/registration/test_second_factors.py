"""One-time codes: in time, once."""

from datetime import UTC, datetime, timedelta

import pyotp
from hypothesis import given
from hypothesis import strategies as st
from zikao_registration.domain.second_factors import SecondFactor, code_at, step_at

SECRET = pyotp.random_base32()
NOW = datetime(2022, 2, 21, 4, 0, 10, tzinfo=UTC)


def test_codes_are_those_of_rfc_6238() -> None:
    """The RFC's own example (appendix B, SHA-1), the last 6 of its 8 digits."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    at = datetime(2005, 3, 18, 1, 58, 29, tzinfo=UTC)
    assert code_at(secret, step_at(at)) == "081804"


@given(st.integers(-4, 4))
def test_one_step_off_is_near_enough(steps: int) -> None:
    """The code of the half minute before or after is taken, of no other."""
    code = code_at(SECRET, step_at(NOW) + steps)
    taken = SecondFactor(SECRET).taken(code, NOW)
    assert (taken is not None) == (abs(steps) <= 1)


@given(st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 90)), max_size=12))
def test_no_code_is_taken_twice(tries: list[tuple[int, int]]) -> None:
    """Whatever is shown in which order, the steps of what is taken grow."""
    factor, now, steps = SecondFactor(SECRET), NOW, []
    for offset, seconds in tries:
        now += timedelta(seconds=seconds)
        taken = factor.taken(code_at(SECRET, step_at(now) + offset), now)
        if taken is not None:
            factor = taken
            steps.append(taken.last_step)
    assert steps == sorted(set(steps), key=lambda step: step or 0)


def test_the_uri_is_for_authenticators() -> None:
    """It names the system and the officer, and carries the secret."""
    parsed = pyotp.parse_uri(SecondFactor(SECRET).uri("OFFICER-510104"))
    assert (parsed.secret, parsed.issuer, parsed.name) == (SECRET, "自考", "OFFICER-510104")


def test_a_secret_is_in_no_text() -> None:
    """What is printed of a factor does not show it."""
    assert SECRET not in repr(SecondFactor(SECRET, 3))
