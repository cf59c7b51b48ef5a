"""What a service lists, as a table for people or as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any, TypeVar
from unicodedata import category

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table
from rich.text import Text
from zikao_kit.china_time import CHINA

T = TypeVar("T")
# Controls, those of direction too, ends of lines and of paragraphs, halves of pairs.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def show_table(found: Sequence[T], columns: Mapping[str, Callable[[T], str]]) -> None:
    """A row for each; `columns` say what stands under which heading."""
    table = Table()
    for number, heading in enumerate(columns):
        # What stands first is copied from there: an id in two lines is none.
        table.add_column(heading, overflow="fold", no_wrap=number == 0)
    for each in found:
        # What comes from a service is text, and no markup.
        table.add_row(*(Text(visible(cell(each), "\n")) for cell in columns.values()))
    Console().print(table)


def visible(text: str, allowed: str = "") -> str:
    """Text in which all is seen: a note of whoever proposes must not move the reader's cursor."""
    return "".join(
        f"\\u{ord(each):04x}" if category(each) in _UNSEEN and each not in allowed else each
        for each in text
    )


def show_json(found: Sequence[Mapping[str, Any]]) -> None:
    """One array, as the contract names things."""
    click.echo(json.dumps(found, ensure_ascii=False, indent=2))


def told(message: Message) -> dict[str, Any]:
    """A message as JSON has it, with the contract's names."""
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def short(kind: Any, number: int, prefix: str) -> str:
    """An enum's name as the commands write it: without its prefix, "name-fixed"."""
    name: str = kind.Name(number)
    return name.removeprefix(prefix).lower().replace("_", "-")


def china_time(moment: Timestamp) -> str:
    """To the minute, wherever this machine is."""
    return f"{moment.ToDatetime(UTC).astimezone(CHINA):%Y-%m-%d %H:%M}"
