"""Registration's configuration."""

import json
from pathlib import Path
from typing import Any

import pytest
from zikao_kit.config import MEBIBYTE, CertFiles, DatabaseConfig, ServerConfig, load_config
from zikao_registration.clients.identity_tokens import IdentityProviderConfig
from zikao_registration.clients.mail import MailConfig
from zikao_registration.clients.sms import SmsConfig
from zikao_registration.config import Argon2Config, LoginConfig, RecoveryConfig, RegistrationConfig

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
    assert server.max_calls_per_connection == 100
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
    ("section", "field", "value"),
    [
        # -5 would erase the day's abandoned registrations: it is in the future that they end.
        (config, "abandoned_retention_days", -5),
        (config, "abandoned_retention_days", 10**9),
        (config, "import_retention_days", -1),
        (config, "candidate_token_minutes", 0.01),
        (config, "staff_token_minutes", 0.01),
        (config, "lease_minutes", 0),
        (config, "poll_seconds", 0),
        (config, "poll_seconds", -1),
        (config, "poll_seconds", float("nan")),
        (config, "poll_seconds", float("inf")),
        (Argon2Config, "memory_kib", 4),
        (Argon2Config, "time_cost", 0),
        (Argon2Config, "parallelism", 0),
        (LoginConfig, "attempts", 0),
        (LoginConfig, "attempts_per_caller", 0),
        (LoginConfig, "window_minutes", 0),
        (LoginConfig, "window_minutes", 1e300),
        (LoginConfig, "caller_failure_share", 50),
        (LoginConfig, "candidate_hours", -1),
        (LoginConfig, "staff_hours", 0),
        (LoginConfig, "staff_idle_minutes", 0),
        (RecoveryConfig, "attempts", 0),
        (RecoveryConfig, "window_hours", float("inf")),
    ],
)
def test_nonsense_is_refused_by_name(section: Any, field: str, value: float) -> None:
    """What would erase at once, end before it begins, or never pause is a slip."""
    with pytest.raises(ValueError, match=f"{field} must be from"):
        section(**{field: value})


def test_costs_are_checked_against_each_other() -> None:
    """Argon2 needs 8 KiB a lane."""
    with pytest.raises(ValueError, match="memory_kib must be from 32"):
        Argon2Config(memory_kib=31, parallelism=4)


def test_ways_to_reach_people_are_checked() -> None:
    """Codes travel over TLS, from an address, with user and password or without both."""
    with pytest.raises(ValueError, match="https"):
        SmsConfig(url="http://sms.example", key_file=Path("key"))
    with pytest.raises(ValueError, match="sender"):
        MailConfig(host="mail.example", sender="nobody")
    with pytest.raises(ValueError, match="password_file"):
        MailConfig(host="mail.example", sender="a@b.cn", user="somebody")
    with pytest.raises(ValueError, match="host"):
        MailConfig(host="", sender="a@b.cn")
    with pytest.raises(ValueError, match="port must be"):
        MailConfig(host="mail.example", sender="a@b.cn", port=0)
    with pytest.raises(ValueError, match="timeout_seconds must be"):
        MailConfig(host="mail.example", sender="a@b.cn", timeout_seconds=0)
    with pytest.raises(ValueError, match="timeout_seconds must be"):
        SmsConfig(url="https://sms.example", key_file=Path("key"), timeout_seconds=-1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://provider.example"},
        {"algorithms": ("HS256",)},
        {"algorithms": ("none",)},
        {"algorithms": ()},
        {"accepted_acr": ()},
        {"starts_per_caller": 0},
        {"timeout_seconds": 0},
        {"keys_pause_seconds": 0},
        {"redirect_uri": "http://portal.example/login"},
        {"scope": "profile"},
        {"document_types": {"01": "idcard"}},
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
