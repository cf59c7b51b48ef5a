"""Registration's configuration."""

from pathlib import Path
from typing import Any

import pytest
from zikao_kit.config import MEBIBYTE, CertFiles, DatabaseConfig, ServerConfig
from zikao_registration.config import Argon2Config, LoginConfig, RegistrationConfig

TLS = CertFiles(Path("a.pem"), Path("a.key"), Path("ca.pem"))


def config(**changes: Any) -> RegistrationConfig:
    """A configuration with defaults."""
    fields: dict[str, Any] = {
        "server": ServerConfig("127.0.0.1:0", TLS),
        "database": DatabaseConfig(dsn="postgresql://"),
        "key_ring_file": Path("keys.yaml"),
    }
    return RegistrationConfig(**fields | changes)


def test_messages_have_room_for_photos() -> None:
    """The kit's limits are raised to one file in and 50 photos out, higher ones are kept."""
    server = config().server_with_room
    assert server.max_receive_bytes == 6 * MEBIBYTE
    assert server.max_send_bytes == 12 * MEBIBYTE
    assert server.max_calls_per_connection == 300
    size = 20 * MEBIBYTE
    roomy = ServerConfig(
        "127.0.0.1:0",
        TLS,
        max_receive_bytes=size,
        max_send_bytes=size,
        max_calls_per_connection=200,
    )
    assert config(server=roomy).server_with_room == roomy


@pytest.mark.parametrize(
    "changes",
    [{"candidate_token_minutes": 0.01}, {"staff_token_minutes": 0.01}, {"lease_minutes": 0}],
)
def test_what_ends_at_once_is_refused(changes: dict[str, float]) -> None:
    """Tokens and leases last."""
    with pytest.raises(ValueError, match="must last"):
        config(**changes)


def test_costs_and_limits_are_checked() -> None:
    """Argon2 gets what it accepts, and somebody can log in."""
    with pytest.raises(ValueError, match="memory_kib"):
        Argon2Config(memory_kib=4)
    wrong: list[dict[str, Any]]
    wrong = [{"attempts": 0}, {"attempts_per_caller": 0}, {"window_minutes": 0}]
    for changes in wrong:
        with pytest.raises(ValueError, match="attempts"):
            LoginConfig(**changes)
    with pytest.raises(ValueError, match="caller_failure_share"):
        LoginConfig(caller_failure_share=50)
