"""Registration's configuration."""

import json
from pathlib import Path
from typing import Any

import pytest
from zikao_kit.config import MEBIBYTE, CertFiles, DatabaseConfig, ServerConfig, load_config
from zikao_registration.config import Argon2Config, LoginConfig, RecoveryConfig, RegistrationConfig
from zikao_registration.identity_tokens import IdentityProviderConfig
from zikao_registration.mail_client import MailConfig
from zikao_registration.sms_client import SmsConfig

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


def test_ways_to_reach_people_are_checked() -> None:
    """Codes travel over TLS, from an address, with user and password or without both."""
    with pytest.raises(ValueError, match="https"):
        SmsConfig(url="http://sms.example", key_file=Path("key"))
    with pytest.raises(ValueError, match="sender"):
        MailConfig(host="mail.example", sender="nobody")
    with pytest.raises(ValueError, match="password_file"):
        MailConfig(host="mail.example", sender="a@b.cn", user="somebody")
    with pytest.raises(ValueError, match="attempts"):
        RecoveryConfig(attempts=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://provider.example"},
        {"algorithms": ("HS256",)},
        {"algorithms": ("none",)},
        {"algorithms": ()},
        {"accepted_acr": ()},
        {"starts_per_caller": 0},
    ],
)
def test_providers_that_prove_nothing_are_refused(wrong: dict[str, Any]) -> None:
    """No provider in the clear, no signature that the client could make, some assurance."""
    fields: dict[str, Any] = {
        "issuer": "https://provider.example",
        "client_id": "registration",
        "client_secret_file": Path("secret"),
        "redirect_uri": "https://portal.example/login",
    }
    IdentityProviderConfig(**fields)
    with pytest.raises(ValueError, match="must"):
        IdentityProviderConfig(**fields | wrong)


def test_sections_may_be_left_out(tmp_path: Path) -> None:
    """Without mail, SMS and provider a file is whole; a section that is there is read."""
    tls = {"cert_file": "a", "key_file": "b", "ca_file": "c"}
    base = {
        "server": {"listen": "127.0.0.1:0", "tls": tls},
        "database": {"dsn": "postgresql://"},
        "key_ring_file": "keys.yaml",
    }
    path = tmp_path / "registration.yaml"
    path.write_text(json.dumps(base))
    loaded = load_config(RegistrationConfig, path, {}, "ZIKAO_REGISTRATION")
    assert (loaded.mail, loaded.sms, loaded.identity_provider) == (None, None, None)
    sms = {"url": "https://sms.example/v1", "key_file": "key"}
    path.write_text(json.dumps(base | {"sms": sms}))
    loaded = load_config(RegistrationConfig, path, {}, "ZIKAO_REGISTRATION")
    assert loaded.sms == SmsConfig(url="https://sms.example/v1", key_file=Path("key"))
