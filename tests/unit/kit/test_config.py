"""Configuration from YAML and the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from zikao_kit.config import (
    CertFiles,
    ClockConfig,
    ConfigError,
    DatabaseConfig,
    LogConfig,
    ServerConfig,
    load_config,
    read_secret,
)

TLS = {"cert_file": "/a.pem", "key_file": "/b.pem", "ca_file": "/c.pem"}
GOOD = {
    "server": {"listen": "127.0.0.1:0", "tls": TLS},
    "database": {"dsn_file": "/run/dsn"},
    "hold_seconds": 1800,
}


@dataclass(frozen=True)
class Sample:
    """A service's configuration as services write it."""

    server: ServerConfig
    database: DatabaseConfig
    hold_seconds: float
    clock: ClockConfig = field(default_factory=ClockConfig)
    log: LogConfig = field(default_factory=LogConfig)
    counties: tuple[str, ...] = ()
    lease: timedelta = timedelta(minutes=5)
    limits: Mapping[str, int] = field(default_factory=dict)


def load(tmp_path: Path, document: Any, env: Mapping[str, str] | None = None) -> Sample:
    """Load a document through a file, as services do."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load_config(Sample, path, env or {}, "ZIKAO_SAMPLE")


def problems_of(tmp_path: Path, document: Any, env: Mapping[str, str] | None = None) -> list[str]:
    """Load a document that must be refused, and return what was said."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, document, env)
    return caught.value.problems


def test_yaml_becomes_nested_dataclasses(tmp_path: Path) -> None:
    """Sections become dataclasses, whole numbers become floats where seconds are meant."""
    sample = load(tmp_path, GOOD | {"counties": ["510104"], "lease": 90, "limits": {"a": 2}})
    assert sample.server.tls.cert_file == Path("/a.pem")
    assert sample.hold_seconds == 1800.0
    assert isinstance(sample.hold_seconds, float)
    assert sample.counties == ("510104",)
    assert sample.lease == timedelta(seconds=90)
    assert sample.limits == {"a": 2}


def test_environment_wins_and_nests(tmp_path: Path) -> None:
    """A variable overrides the file, at any depth, with the type of its field."""
    env = {
        "ZIKAO_SAMPLE__SERVER__LISTEN": "0.0.0.0:50051",
        "ZIKAO_SAMPLE__SERVER__REFLECTION": "true",
        "ZIKAO_SAMPLE__SERVER__METRICS_PORT": "9100",
        "ZIKAO_SAMPLE__COUNTIES": "510104, 510105",
        "ZIKAO_SAMPLE__CLOCK__OFFSET_FILE": "/tmp/offset.json",
        "ZIKAO_OTHER__X": "1",
    }
    sample = load(tmp_path, GOOD, env)
    assert sample.server.listen == "0.0.0.0:50051"
    assert sample.server.reflection is True
    assert sample.server.metrics_port == 9100
    assert sample.counties == ("510104", "510105")
    assert sample.clock.offset_file == Path("/tmp/offset.json")


def test_environment_alone_is_enough() -> None:
    """Without a file every value may come from variables."""
    env = {"P__DSN": "postgresql://x", "P__POOL_MAX": "3"}
    assert load_config(DatabaseConfig, None, env, "P").resolved_dsn() == "postgresql://x"


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """Unknown keys, wrong types and missing values come in one error, each with its path."""
    document = {
        "server": {"listen": 1, "tls": TLS, "metrics_prot": 1, "reflection": "yes please"},
        "database": {"dsn_file": "/run/dsn", "pool_max": True},
        "log": {"level": "loud"},
        "colour": "red",
    }
    problems = problems_of(tmp_path, document)
    assert "server.metrics_prot: unknown; did you mean metrics_port?" in problems
    assert "server.listen: text is needed, not int" in problems
    assert "server.reflection: true or false is needed, not text" in problems
    assert "database.pool_max: a whole number is needed, not bool" in problems
    assert "log.level: one of debug, info, warning, error is needed, not text" in problems
    assert "hold_seconds: missing" in problems
    assert any(problem.startswith("colour: unknown; known are server,") for problem in problems)
    assert len(problems) == 7


def test_unknown_variable_is_refused(tmp_path: Path) -> None:
    """A mistyped variable is an error, not silence."""
    assert problems_of(tmp_path, GOOD, {"ZIKAO_SAMPLE__HOLD_SECOND": "1"}) == [
        "hold_second: unknown; did you mean hold_seconds?"
    ]


def test_variable_below_a_value_is_refused(tmp_path: Path) -> None:
    """A variable cannot nest below something that is not a section."""
    problems = problems_of(tmp_path, GOOD, {"ZIKAO_SAMPLE__HOLD_SECONDS__X": "1"})
    assert problems == ["ZIKAO_SAMPLE__HOLD_SECONDS__X: hold_seconds is not a section"]


def test_rules_between_fields_are_checked(tmp_path: Path) -> None:
    """A dataclass's own rule becomes a problem of its section."""
    problems = problems_of(tmp_path, GOOD | {"database": {"dsn": "a", "dsn_file": "/b"}})
    assert problems == ["database: exactly one of dsn and dsn_file is needed"]


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "just text"])
def test_unreadable_file_is_refused(tmp_path: Path, text: str) -> None:
    """A file that is no YAML mapping is refused with its path."""
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        load_config(LogConfig, path, {}, "P")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """A path that does not exist is an error, not an empty configuration."""
    with pytest.raises(ConfigError, match=r"gone\.yaml"):
        load_config(LogConfig, tmp_path / "gone.yaml", {}, "P")


def test_values_in_the_wrong_place_are_not_shown(tmp_path: Path) -> None:
    """A problem names the type of what was found, never the value: it may be a secret."""
    assert "hunter2" not in str(problems_of(tmp_path, GOOD | {"hold_seconds": "hunter2"}))


def test_dsn_is_not_in_the_representation() -> None:
    """A password in a DSN does not reach logs through repr()."""
    assert "secret" not in repr(DatabaseConfig(dsn="postgresql://u:secret@h/d"))


def test_secret_file_is_read_without_line_break(tmp_path: Path) -> None:
    """Secrets are files; the final line break is not part of them."""
    path = tmp_path / "dsn"
    path.write_text("postgresql://u:p@h/d\n", encoding="utf-8")
    assert DatabaseConfig(dsn_file=path).resolved_dsn() == "postgresql://u:p@h/d"


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_missing_or_empty_secret_is_refused(tmp_path: Path, content: str | None) -> None:
    """A secret that is missing or empty stops the start and names the file."""
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match="key"):
        read_secret(path)


ODD_ADDRESSES = ["7101", ":7101", "::1:7101", "host", "host:", "host:http", "host:65536"]


@pytest.mark.parametrize(
    "limit",
    [
        {"max_concurrent_calls": 0},
        {"max_calls_per_connection": 0},
        {"max_connections": 0},
        {"max_queue_depth": -1},
        {"max_subscriptions_per_caller": -1},
        {"max_public_subscriptions": -1},
        {"max_streams_per_actor": -1},
        {"max_watchers": -1},
        {"max_call_seconds": 0},
        {"max_stream_seconds": -1},
        {"max_write_seconds": 0},
    ],
)
def test_limits_under_which_nobody_is_answered_are_refused(limit: dict[str, Any]) -> None:
    """A server that could never answer does not start."""
    tls = CertFiles(Path("/a.pem"), Path("/b.pem"), Path("/c.pem"))
    with pytest.raises(ValueError, match="max_"):
        ServerConfig("127.0.0.1:0", tls, **limit)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"listeners": 0}, "from 1 to 64"),
        ({"listeners": 65}, "from 1 to 64"),
        ({"shared_addresses": ("10.0.0.1/8",)}, "shared_addresses .* host bits"),
        ({"shared_addresses": ("gateway",)}, "shared_addresses"),
        ({"refused_certificates": ("AB" * 32,)}, "refused_certificates .* not ABAB"),
        ({"refused_certificates": ("ab" * 32, "ab" * 20)}, "refused_certificates .* not abab"),
        *(({"listen": listen}, "host:port") for listen in ODD_ADDRESSES),
    ],
)
def test_where_nobody_can_listen_is_refused(setting: dict[str, Any], said: str) -> None:
    """An address is a host and a port, and a port is not listened on without end."""
    tls: Any = CertFiles(Path("/a.pem"), Path("/b.pem"), Path("/c.pem"))
    ServerConfig("[::1]:7101", tls, listeners=64, shared_addresses=("10.0.0.0/8", "fd00::/64"))
    with pytest.raises(ValueError, match=said):
        ServerConfig(**{"listen": "localhost:0", "tls": tls, **setting})
