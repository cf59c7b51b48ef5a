"""Configurations as the files that commands read."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml


def write_config(path: Path, config: Any) -> Path:
    """Write a configuration (a dataclass) as YAML; settings without a value are left out."""
    path.write_text(yaml.safe_dump(_plain(asdict(config))))
    return path


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
