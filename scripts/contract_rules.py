"""The rules of buf.validate in a contract, in a few words each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor_pb2 import FieldOptions, MessageOptions, OneofOptions
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

WORDS = {
    "min_len": "at least {} characters",
    "max_len": "at most {} characters",
    "min_bytes": "at least {} bytes",
    "max_bytes": "at most {} bytes",
    "min_items": "at least {}",
    "max_items": "at most {}",
    "min_pairs": "at least {} pairs",
    "max_pairs": "at most {} pairs",
    "unique": "no two alike",
    "uuid": "a UUID",
    "email": "an e-mail address",
    "pattern": "matches `{}`",
    "defined_only": "a known value",
    "gte": "≥ {}",
    "lte": "≤ {}",
    "gt": "> {}",
    "lt": "< {}",
    "const": "is {}",
    "required": "required",
    "len": "{} characters",
}


def rules_of(options: FieldOptions | MessageOptions | OneofOptions) -> list[str]:
    """What buf.validate asks of a field, a message or a oneof; empty without rules."""
    extension: Any = {
        FieldOptions: validate_pb2.field,
        MessageOptions: validate_pb2.message,
        OneofOptions: validate_pb2.oneof,
    }[type(options)]
    return list(_words_of(options.Extensions[extension], ""))


def _words_of(rules: Message, kind: str) -> Iterator[str]:
    for field, value in rules.ListFields():
        if field.name == "cel":
            yield from (rule.message for rule in value)
        elif field.name == "ignore":
            yield (
                "judged one by one" if value == validate_pb2.IGNORE_ALWAYS else "unless it is unset"
            )
        elif field.name in ("items", "keys", "values"):
            inner = ", ".join(_words_of(value, kind))
            yield f"{'each' if field.name == 'items' else field.name}: {inner}"
        elif isinstance(value, Message) and not isinstance(value, Duration):
            yield from _words_of(value, field.name)
        else:
            yield _word(kind, field.name, value)


def _word(kind: str, name: str, value: Any) -> str:
    words = WORDS.get(name, f"{name.replace('_', ' ')} {{}}").format(_shown(value))
    return words.replace("characters", "bytes") if kind == "bytes" else words


def _shown(value: Any) -> str:
    if isinstance(value, Duration):
        return f"{value.ToTimedelta().total_seconds():g} s"
    if isinstance(value, str | int | float | bool | bytes):
        return str(value)
    return ", ".join(map(str, value))
