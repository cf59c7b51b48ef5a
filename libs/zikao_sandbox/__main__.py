"""`zikao-sandbox`: the payment platform of rehearsals."""

from __future__ import annotations

import os
from pathlib import Path

import click
from zikao_kit.cli import config_option, refusing_bad_config
from zikao_kit.config import load_config
from zikao_kit.logs import configure_logging
from zikao_kit.server import run

from zikao_sandbox.main import SandboxConfig, serve_sandbox


@click.command()
@config_option
def main(path: Path | None) -> None:
    """Serve the sandbox's payment platform (configuration: YAML and ZIKAO_SANDBOX__…)."""
    with refusing_bad_config():
        config = load_config(SandboxConfig, path, os.environ, "ZIKAO_SANDBOX")
        configure_logging("sandbox", config.log)
        run(lambda: serve_sandbox(config))


if __name__ == "__main__":
    main()
