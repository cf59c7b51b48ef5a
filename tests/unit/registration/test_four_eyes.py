"""The draw of who needs a second officer."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao_kit.crypto import KeyRing
from zikao_registration.domain.four_eyes import is_drawn


@pytest.mark.parametrize("percent", [1, 10, 50])
def test_the_share_is_as_set(percent: int) -> None:
    """Of 20,000 people the drawn are the setting's share, within five standard deviations."""
    keys = KeyRing.generate()
    draws = [keys.blind_index(str(UUID(int=number)), "draw") for number in range(20_000)]
    drawn = sum(is_drawn(draw, percent) for draw in draws)
    expected = 20_000 * percent / 100
    assert abs(drawn - expected) < 5 * (expected * (1 - percent / 100)) ** 0.5


@given(st.binary(min_size=32, max_size=32))
def test_none_and_all(draw: bytes) -> None:
    """A share of 0 draws nobody, one of 100 everybody."""
    assert not is_drawn(draw, 0)
    assert is_drawn(draw, 100)


def test_another_key_draws_others() -> None:
    """Who is drawn is the key's secret."""
    people = [str(uuid4()) for _ in range(1000)]
    one, other = KeyRing.generate(), KeyRing.generate()
    drawn = [
        {each for each in people if is_drawn(ring.blind_index(each, "draw"), 50)}
        for ring in (one, other)
    ]
    assert drawn[0] != drawn[1]
