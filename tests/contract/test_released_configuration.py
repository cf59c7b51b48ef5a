"""Configuration files of the newest release, against the services of today."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.released_code import git, releases
from zikao_enrollment.config import EnrollmentConfig
from zikao_kit.config import ConfigError, load_config
from zikao_registration.config import RegistrationConfig
from zikao_tickets.config import TicketsConfig

CONFIGS = {
    "Registration": RegistrationConfig,
    "Enrollment": EnrollmentConfig,
    "Tickets": TicketsConfig,
}


def released(heading: str) -> Mapping[str, Any]:
    """A service's file with every key, as the release's own page has it."""
    page = git("show", f"{releases()[0].commit}:docs/configuration.md").decode()
    chapter = next(
        each for each in re.split(r"^## ", page, flags=re.MULTILINE) if each.startswith(heading)
    )
    (block, *_) = re.findall(r"```yaml\n(.*?)```", chapter, re.DOTALL)
    content = yaml.safe_load(block)
    assert isinstance(content, dict)
    return content


def load(heading: str, content: Mapping[str, Any], folder: Path) -> Any:
    """Load it as the service of today does."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(dict(content)), encoding="utf-8")
    return load_config(CONFIGS[heading], path, {}, "ZIKAO_NOTHING")


@pytest.mark.parametrize("heading", CONFIGS)
def test_a_file_of_the_release_before_loads(heading: str, tmp_path: Path) -> None:
    """No key of it has gone or wants another value: whoever upgrades keeps the file."""
    content = released(heading)
    assert load(heading, content, tmp_path)
    assert {"server", "database"} <= content.keys()


def test_a_key_that_has_gone_would_be_seen(tmp_path: Path) -> None:
    """Negative control: with a key that today's service does not know the file is refused."""
    content = {**released("Tickets"), "a_key_of_before": 1}
    with pytest.raises(ConfigError, match="a_key_of_before"):
        load("Tickets", content, tmp_path)
