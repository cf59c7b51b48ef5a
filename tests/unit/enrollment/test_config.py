"""Enrollment's configuration."""

from pathlib import Path
from typing import Any

import pytest
from zikao_enrollment.config import EnrollmentConfig
from zikao_kit.config import CertFiles, DatabaseConfig, PeerConfig, ServerConfig


def config(**changes: Any) -> EnrollmentConfig:
    """A configuration with defaults."""
    tls = CertFiles(Path("a.pem"), Path("a.key"), Path("ca.pem"))
    peer = PeerConfig("127.0.0.1:1", "somebody")
    fields: dict[str, Any] = {
        "server": ServerConfig("127.0.0.1:0", tls),
        "database": DatabaseConfig(dsn="postgresql://", pool_min=1, pool_max=3),
        "registration": peer,
        "platform": peer,
    }
    return EnrollmentConfig(**fields | changes)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_batch", 0),
        ("batches_in_flight", 0),
        ("batches_in_flight", 4),
        ("board_seconds", 0),
        ("poll_seconds", -1),
        ("office_action_hours", 400),
        ("payment_query_seconds", 0),
    ],
)
def test_nonsense_is_refused_by_name(field: str, value: float) -> None:
    """Somebody gets seats, and nothing works without a pause."""
    with pytest.raises(ValueError, match=f"{field} must be from"):
        config(**{field: value})


def test_batches_leave_a_connection_to_the_others() -> None:
    """With all connections in batches nobody could even look."""
    with pytest.raises(ValueError, match="pool_max must be greater"):
        config(batches_in_flight=3)
