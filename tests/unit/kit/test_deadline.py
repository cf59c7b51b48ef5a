"""How long a call may wait."""

import pytest
from zikao_kit.errors import DomainError
from zikao_kit.interceptors.deadline import patience_of


def test_patience_leaves_time_to_answer() -> None:
    """A call may wait until 20 ms before its deadline."""
    assert patience_of(1.0) == pytest.approx(0.98)


@pytest.mark.parametrize(
    ("remaining", "reason"),
    [(None, "DEADLINE_REQUIRED"), (0.0, "DEADLINE_TOO_SHORT"), (0.02, "DEADLINE_TOO_SHORT")],
)
def test_calls_without_time_are_refused(remaining: float | None, reason: str) -> None:
    """No deadline, and a deadline that is as good as over, are told apart."""
    with pytest.raises(DomainError, match=reason):
        patience_of(remaining)
