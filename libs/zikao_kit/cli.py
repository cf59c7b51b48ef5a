"""The command of a service: `serve` and `migrate`.

    main = service_cli("zikao_enrollment", EnrollmentConfig, serve)   # __main__.py

Configuration comes from `--config` and variables `ZIKAO_ENROLLMENT__…`.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

import asyncpg
import click

from zikao_kit.config import ConfigError, DatabaseConfig, LogConfig, TracingConfig, load_config
from zikao_kit.crypto import KeyFileInvalid
from zikao_kit.listeners import ListenError
from zikao_kit.logs import configure_logging
from zikao_kit.migrate import Selection, migrate
from zikao_kit.migration_files import MigrationError
from zikao_kit.server import NewLoop, run

CONFIG_EXIT_CODE = 2


class ServiceConfig(Protocol):
    """What the command needs of a service's configuration."""

    @property
    def database(self) -> DatabaseConfig:
        """Where the service's schema is."""
        ...

    @property
    def log(self) -> LogConfig:
        """What the process logs."""
        ...

    @property
    def tracing(self) -> TracingConfig:
        """Where its spans go."""
        ...


C = TypeVar("C", bound=ServiceConfig)
config_option = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML file.",
)


def service_cli(
    package: str,
    config_type: type[C],
    serve: Callable[[C], Coroutine[Any, Any, None]],
    new_loop: NewLoop = asyncio.new_event_loop,
) -> click.Group:
    """Return the command of the service whose package is `package`; `new_loop` is what it runs on.

    uvloop's loop costs a call less, and counts in whole milliseconds.
    """

    @click.group(name=package.replace("_", "-"))
    def main() -> None:
        """Run the service or migrate its schema."""

    @main.command("serve")
    @config_option
    def serve_command(path: Path | None) -> None:
        """Serve until SIGTERM.

        Every key of the file, its default and its variable: docs/configuration.md.
        """
        with refusing_bad_config():
            config = load_config(config_type, path, os.environ, package.upper())
            service = package.removeprefix("zikao_")
            configure_logging(service, config.log)
            try:
                run(lambda: _serve_traced(serve, config, service), new_loop)
            except ListenError as error:
                raise click.ClickException(str(error)) from error

    @main.command("migrate")
    @config_option
    @click.option(
        "--phase", type=click.Choice(["pre", "post", "all"]), default="all", show_default=True
    )
    @click.option("--dry-run", is_flag=True, help="Only say what would be applied.")
    def migrate_command(path: Path | None, phase: Selection, *, dry_run: bool) -> None:
        """Apply the migrations that are missing, as the service's own role."""
        with refusing_bad_config():
            config = load_config(config_type, path, os.environ, package.upper())
            dsn = config.database.resolved_dsn()
        _migrate(dsn, package, phase, dry_run=dry_run)

    return main


async def _serve_traced(
    serve: Callable[[C], Coroutine[Any, Any, None]], config: C, service: str
) -> None:
    if config.tracing.endpoint is None:
        await serve(config)
        return
    try:
        telemetry = importlib.import_module("zikao_kit.telemetry")
    except ImportError as error:
        raise ConfigError([f"tracing.endpoint needs the extra zikao[tracing]: {error}"]) from error
    async with telemetry.traced(config.tracing, service):
        await serve(config)


@contextmanager
def refusing_bad_config() -> Iterator[None]:
    """Say all that is wrong with a configuration, and exit with CONFIG_EXIT_CODE."""
    # A secret's file is read when it is needed, so its error comes later than the others.
    try:
        yield
    except KeyFileInvalid as error:
        _refuse(ConfigError([str(error)]))
    except ConfigError as error:
        _refuse(error)


def _refuse(error: ConfigError) -> NoReturn:
    click.echo(str(error), err=True)
    raise SystemExit(CONFIG_EXIT_CODE) from error


def _migrate(dsn: str, package: str, phase: Selection, *, dry_run: bool) -> None:
    try:
        asyncio.run(migrate(dsn, package, phase, dry_run=dry_run, say=click.echo))
    except (MigrationError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from error
