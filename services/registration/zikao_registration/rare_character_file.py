"""The province's own characters, from its mapping file.

U+E000: 𬱖          # what the old system drew at U+E000
U+F0001: U+2CC56
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from zikao_kit.config import ConfigError

from zikao_registration.domain.rare_characters import RareCharacters

_CODE_POINT = re.compile(r"[Uu]\+([0-9A-Fa-f]{4,6})", re.ASCII)


def load_rare_characters(path: Path | None) -> RareCharacters:
    """The standard's mapping, with that of a YAML file where one is given.

    Raises ConfigError, which names the file and the problem.
    """
    if path is None:
        return RareCharacters()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return RareCharacters(_own_characters(content))
    except (OSError, yaml.YAMLError, TypeError, ValueError) as error:
        raise ConfigError([f"rare_characters_file {path}: {_problem_of(error)}"]) from error


def _problem_of(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _own_characters(content: object) -> dict[str, str]:
    if not isinstance(content, dict):
        raise TypeError("expected a mapping, such as U+E000: 𬱖")
    return {_character(key): _character(value) for key, value in content.items()}


def _character(value: object) -> str:
    text = str(value)
    match = _CODE_POINT.fullmatch(text)
    if match:
        return chr(int(match[1], 16))
    if len(text) != 1:
        raise ValueError(f"{text!r}: expected one character, or its code point (U+E000)")
    return text
