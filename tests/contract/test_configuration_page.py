"""docs/configuration.md, against the services' configurations."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from zikao_enrollment.config import EnrollmentConfig
from zikao_kit.config import load_config
from zikao_registration.config import RegistrationConfig
from zikao_registration.rare_character_file import load_rare_characters
from zikao_tickets.config import TicketsConfig

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
CONFIGS = {
    "Registration": RegistrationConfig,
    "Enrollment": EnrollmentConfig,
    "Tickets": TicketsConfig,
}
# What the page says in a comment: a file has one of the two.
COMMENTED = {("DatabaseConfig", "dsn")}


def yaml_under(heading: str) -> list[str]:
    """The YAML blocks of a chapter of the page."""
    chapter = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (text,) = [each for each in chapter if each.startswith(f"{heading}\n")]
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


def section_of(kind: Any) -> Any:
    """The dataclass that a field holds, None for a plain value; an optional one counts."""
    kinds = [kind, *typing.get_args(kind)]
    return next((each for each in kinds if dataclasses.is_dataclass(each)), None)


def fields_of(cls: Any) -> Iterator[tuple[str, str]]:
    """All keys of a configuration that have a value: the section's class and the field."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if section := section_of(hints[field.name]):
            yield from fields_of(section)
        else:
            yield cls.__name__, field.name


def written_in(cls: Any, content: dict[str, Any]) -> Iterator[tuple[Any, str, Any]]:
    """All keys that a file has: the section's class, the field, and what it says."""
    hints = typing.get_type_hints(cls)
    for name, value in content.items():
        yield cls, name, value
        if section := section_of(hints[name]):
            yield from written_in(section, value)


@pytest.mark.parametrize("heading", CONFIGS)
def test_each_file_is_one_that_the_service_takes(heading: str, tmp_path: Path) -> None:
    """What operators copy from the page loads."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml_under(heading)[0], encoding="utf-8")
    load_config(CONFIGS[heading], path, {}, "ZIKAO_NOTHING")


def test_every_key_is_on_the_page() -> None:
    """No setting has to be looked up in the code."""
    wanted = {key for cls in CONFIGS.values() for key in fields_of(cls)}
    written = {
        (section.__name__, name)
        for heading, cls in CONFIGS.items()
        for section, name, _ in written_in(cls, yaml.safe_load(yaml_under(heading)[0]))
    }
    assert wanted - written == COMMENTED


def test_every_default_is_the_real_one() -> None:
    """Where a key has a default, the page gives it."""
    for heading, cls in CONFIGS.items():
        for section, name, value in written_in(cls, yaml.safe_load(yaml_under(heading)[0])):
            default = {field.name: field.default for field in dataclasses.fields(section)}[name]
            if default not in (dataclasses.MISSING, None):
                said = tuple(value) if isinstance(value, list) else value
                assert said == default, (heading, name)


def test_the_characters_are_ones_that_load(tmp_path: Path) -> None:
    """The example of a mapping file is one."""
    path = tmp_path / "characters.yaml"
    path.write_text(yaml_under("Registration")[1], encoding="utf-8")
    assert load_rare_characters(path).mapped("\ue000\U000f0001") == "𬱖\U0002cc56"
