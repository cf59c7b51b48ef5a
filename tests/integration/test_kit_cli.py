"""The command of a service, as operators run it."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import click
import pytest
import structlog
from click.testing import CliRunner, Result
from zikao_kit.cli import CONFIG_EXIT_CODE, service_cli
from zikao_kit.config import DatabaseConfig, LogConfig, TracingConfig
from zikao_kit.listeners import ListenError

SUPPORT = Path(__file__).parents[1] / "support"
Command = Callable[..., Result]


@dataclass(frozen=True)
class ProbeConfig:
    """The least a service is told."""

    database: DatabaseConfig
    greeting: str = "ready"
    log: LogConfig = field(default_factory=LogConfig)
    tracing: TracingConfig = field(default_factory=TracingConfig)


async def serve(config: ProbeConfig) -> None:
    """Use the configuration as a service does, and end."""
    config.database.resolved_dsn()
    if config.greeting == "taken":
        raise ListenError("cannot listen on 127.0.0.1:7101")
    click.echo(config.greeting)
    structlog.get_logger().debug("served")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Write a configuration (YAML) and run the command of `zikao_probe` with it.

    What the command does to the logs of its process is undone.
    """
    monkeypatch.syspath_prepend(str(SUPPORT))

    def run(config: str, *args: str) -> Result:
        path = tmp_path / "config.yaml"
        path.write_text(config)
        cli = service_cli("zikao_probe", ProbeConfig, serve)
        return CliRunner().invoke(cli, [args[0], f"--config={path}", *args[1:]])

    yield run
    structlog.reset_defaults()
    logging.basicConfig(force=True)


def schema_exists(dsn: str) -> bool:
    """Say whether the probe's schema is there."""

    async def look() -> bool:
        connection = await asyncpg.connect(dsn)
        try:
            return bool(await connection.fetchval("SELECT to_regnamespace('probe') IS NOT NULL"))
        finally:
            await connection.close()

    return asyncio.run(look())


def test_the_environment_has_the_last_word(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables named after the package come before the file."""
    config = "database: {dsn: 'postgresql://x'}\ngreeting: from the file"
    assert command(config, "serve").output == "from the file\n"
    monkeypatch.setenv("ZIKAO_PROBE__GREETING", "from outside")
    assert command(config, "serve").output == "from outside\n"


def test_serving_begins_with_the_logs(command: Command) -> None:
    """They are in the service's name and of the level that is set, and there before all else."""
    config = "database: {dsn: 'postgresql://x'}\nlog: {level: debug}"
    lines = command(config, "serve").output.splitlines()
    events = [json.loads(line) for line in lines if line != "ready"]
    assert ("served", "probe") in [(event["event"], event["service"]) for event in events]


def test_tracing_needs_its_extra(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who turns it on without the packages is told so at the start; else they are not missed."""
    monkeypatch.setitem(sys.modules, "zikao_kit.telemetry", None)
    config = "database: {dsn: 'postgresql://x'}"
    assert command(config, "serve").exit_code == 0
    refused = command(f"{config}\ntracing: {{endpoint: 'here:4317', insecure: true}}", "serve")
    assert refused.exit_code == CONFIG_EXIT_CODE
    assert "tracing.endpoint needs the extra zikao[tracing]" in refused.output


def test_help_says_where_the_settings_are(command: Command) -> None:
    """Whoever asks for help finds every key and its default."""
    assert "docs/configuration.md" in command("", "serve", "--help").output


@pytest.mark.parametrize("verb", ["serve", "migrate"])
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("database: {dns: x}", "database.dns: unknown; did you mean dsn?"),
        ("greeting: hello", "database: missing"),
        ("database: {dsn: [1]}", "database.dsn: text is needed, not list"),
        ("database: {dsn_file: /nowhere/dsn}", "secret /nowhere/dsn: FileNotFoundError"),
    ],
)
def test_a_bad_configuration_exits_with_2(
    command: Command, verb: str, config: str, message: str
) -> None:
    """The message says which key is wrong and how; there is no traceback."""
    result = command(config, verb)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("configuration refused:\n")
    assert message in result.stderr


def test_a_taken_port_is_said_without_a_traceback(command: Command) -> None:
    """Who starts a service twice reads which port it is."""
    result = command("database: {dsn: 'postgresql://x'}\ngreeting: taken", "serve")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "Error: cannot listen on 127.0.0.1:7101"
    assert "Traceback" not in result.stderr


def test_migrate_applies_by_phase_and_only_says_so_in_a_dry_run(
    command: Command, empty_database: str
) -> None:
    """`--dry-run` changes nothing; then each phase does its part, and a second run nothing."""
    config = f"database: {{dsn: '{empty_database}'}}"
    dry = command(config, "migrate", "--dry-run")
    assert dry.output == (
        "probe: would apply 0001_pre_create_schema\nprobe: would apply 0002_post_drop_body\n"
    )
    assert not schema_exists(empty_database)
    early = command(config, "migrate", "--phase=post")
    assert (early.exit_code, early.stderr) == (
        1,
        "Error: MigrationError: not before the pre migrations: 0001_pre_create_schema\n",
    )
    pre = command(config, "migrate", "--phase=pre")
    assert (pre.exit_code, pre.output) == (0, "probe: applying 0001_pre_create_schema\n")
    assert schema_exists(empty_database)
    post = command(config, "migrate")
    assert (post.exit_code, post.output) == (0, "probe: applying 0002_post_drop_body\n")
    assert command(config, "migrate").output == "probe: nothing to apply (all)\n"


@pytest.mark.parametrize("dsn", ["postgresql://x:y@127.0.0.1:1/x", "mysql://x"])
def test_a_database_that_is_not_there_ends_migrate_with_a_sentence(
    command: Command, dsn: str
) -> None:
    """No traceback, no password, exit code 1."""
    result = command(f"database: {{dsn: '{dsn}'}}", "migrate")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.output
    assert "y@" not in result.output
