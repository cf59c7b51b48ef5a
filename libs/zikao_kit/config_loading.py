"""Loads frozen dataclasses from YAML and the environment, and says all that is wrong at once."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

import yaml

T = TypeVar("T")
_INVALID = object()
_NUMBERS: dict[Any, tuple[type, ...]] = {int: (int,), float: (int, float)}


class ConfigError(Exception):
    """The configuration cannot be used; `problems` lists every reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("configuration refused:\n" + "\n".join(f"  - {p}" for p in problems))
        self.problems = problems


def load_config(cls: type[T], path: Path | None, env: Mapping[str, str], prefix: str) -> T:
    """Build `cls`, a frozen dataclass, from a YAML file and variables `<prefix>__<FIELD>`.

    The environment wins; `__` nests (`ZIKAO_ENROLLMENT__SERVER__LISTEN`). Values
    of variables are read as YAML unless the field is text. Durations are numbers
    of seconds. Raises ConfigError with every unknown key (and the nearest right
    name), wrong type, missing value and broken rule.
    """
    problems: list[str] = []
    document = _read_yaml(path, problems)
    _overlay(document, env, prefix + "__", problems)
    value = _build(cls, document, "", problems)
    if problems:
        raise ConfigError(problems)
    return typing.cast(T, value)


class _FromEnvironment(str):
    """Text from a variable: may still become a number, a list or a truth value."""

    __slots__ = ()


def _read_yaml(path: Path | None, problems: list[str]) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problems.append(f"{path}: {error}")
        return {}
    if document is None:
        return {}
    if not isinstance(document, dict):
        problems.append(f"{path}: a mapping is needed at the top")
        return {}
    return document


def _overlay(
    document: dict[str, Any], env: Mapping[str, str], prefix: str, problems: list[str]
) -> None:
    for name in sorted(key for key in env if key.startswith(prefix)):
        *sections, last = name[len(prefix) :].lower().split("__")
        node = document
        for section in sections:
            child = node.setdefault(section, {})
            if not isinstance(child, dict):
                problems.append(f"{name}: {section} is not a section")
                break
            node = child
        else:
            node[last] = _FromEnvironment(env[name])


def _build(cls: type[Any], raw: Any, where: str, problems: list[str]) -> Any:
    if not isinstance(raw, dict):
        problems.append(f"{where or 'configuration'}: a section is needed, not {_shown(raw)}")
        return _INVALID
    before = len(problems)
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    _refuse_unknown(raw, list(fields), where, problems)
    values = {}
    for name, field in fields.items():
        here = f"{where}.{name}" if where else name
        if name in raw:
            values[name] = _convert(hints[name], raw[name], here, problems)
        elif _is_required(field):
            problems.append(f"{here}: missing")
    if len(problems) > before:
        return _INVALID
    try:
        return cls(**values)
    except ValueError as error:
        problems.append(f"{where or 'configuration'}: {error}")
        return _INVALID


def _is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _refuse_unknown(raw: dict[str, Any], known: list[str], where: str, problems: list[str]) -> None:
    for key in (str(key) for key in raw if key not in known):
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
        problems.append(f"{where}.{key}: unknown{hint}" if where else f"{key}: unknown{hint}")


def _convert(kind: Any, raw: Any, where: str, problems: list[str]) -> Any:
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _build(typing.cast(type[Any], kind), raw, where, problems)
    if origin in (Union, types.UnionType):
        return _convert_optional(kind, raw, where, problems)
    if isinstance(raw, _FromEnvironment) and kind not in (str, Path):
        raw = _parse_variable(raw)
    if origin is Literal:
        return _convert_choice(kind, raw, where, problems)
    if origin is tuple:
        return _convert_sequence(kind, raw, where, problems)
    if origin in (dict, Mapping):
        return _convert_mapping(kind, raw, where, problems)
    return _convert_scalar(kind, raw, where, problems)


def _parse_variable(raw: str) -> Any:
    try:
        return yaml.safe_load(raw)
    except yaml.YAMLError:
        return str(raw)


def _convert_optional(kind: Any, raw: Any, where: str, problems: list[str]) -> Any:
    inner = [option for option in typing.get_args(kind) if option is not type(None)]
    if raw is None or (isinstance(raw, _FromEnvironment) and raw == ""):
        return None
    return _convert(inner[0], raw, where, problems)


def _convert_choice(kind: Any, raw: Any, where: str, problems: list[str]) -> Any:
    choices = typing.get_args(kind)
    if raw in choices:
        return raw
    problems.append(f"{where}: one of {', '.join(map(str, choices))} is needed, not {_shown(raw)}")
    return _INVALID


def _convert_sequence(kind: Any, raw: Any, where: str, problems: list[str]) -> Any:
    item = typing.get_args(kind)[0]
    if isinstance(raw, str):
        raw = [part.strip() for part in raw.split(",") if part.strip()]
    if not isinstance(raw, list):
        problems.append(f"{where}: a list is needed, not {_shown(raw)}")
        return _INVALID
    return tuple(_convert(item, value, f"{where}[{i}]", problems) for i, value in enumerate(raw))


def _convert_mapping(kind: Any, raw: Any, where: str, problems: list[str]) -> Any:
    item = typing.get_args(kind)[1]
    if not isinstance(raw, dict):
        problems.append(f"{where}: a mapping is needed, not {_shown(raw)}")
        return _INVALID
    return {
        str(key): _convert(item, value, f"{where}.{key}", problems) for key, value in raw.items()
    }


def _convert_scalar(kind: Any, raw: Any, where: str, problems: list[str]) -> Any:
    if kind is Path and isinstance(raw, str) and raw:
        return Path(raw)
    if kind is str and isinstance(raw, str):
        return str(raw)
    if kind is bool and isinstance(raw, bool):
        return raw
    if kind is timedelta and _is_number(raw, (int, float)):
        return timedelta(seconds=raw)
    if kind in _NUMBERS and _is_number(raw, _NUMBERS[kind]):
        return kind(raw)
    problems.append(f"{where}: {_kind_name(kind)} is needed, not {_shown(raw)}")
    return _INVALID


def _is_number(raw: Any, accepted: tuple[type, ...]) -> bool:
    # True is an int in Python; it is no number of seconds.
    return isinstance(raw, accepted) and not isinstance(raw, bool)


def _kind_name(kind: Any) -> str:
    names = {str: "text", Path: "a path", int: "a whole number", float: "a number"}
    names |= {bool: "true or false", timedelta: "a number of seconds"}
    return names.get(kind, str(kind))


def _shown(raw: Any) -> str:
    # Only the type: a value in the wrong place may be a secret.
    if raw is None:
        return "nothing"
    return "text" if isinstance(raw, str) else type(raw).__name__
