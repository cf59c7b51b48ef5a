"""Reading YAML and CSV for the session file: every problem with its path, none at first sight."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import yaml

T = TypeVar("T")
UNREAD_MOMENT = datetime.min.replace(tzinfo=UTC)
"""Stands for a time that could not be read: its problem is noted, comparing it is pointless."""

_MAX_PATH_CHARACTERS = 1000
_MORE = "(more columns)"
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}")


class SessionFileError(Exception):
    """The session file cannot be used; `problems` says every reason, each with its path."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        """Keep all problems, in the order of the file."""
        super().__init__(f"{path} refused:\n" + "\n".join(f"  - {p}" for p in problems))
        self.problems = problems


class Problems(list[str]):
    """What is wrong so far."""

    def note(self, path: str, what: str) -> None:
        """Remember one problem at a path such as ``courses[3].slot``."""
        self.append(f"{path}: {what}" if path else what)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML in which a key given twice is an error, not silently the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: {key} is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping a YAML file holds. Raises SessionFileError when there is none."""
    try:
        # A subclass of SafeLoader: nothing but plain data is made.
        content = yaml.load(path.read_text("utf-8"), _UniqueKeyLoader)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SessionFileError(path, [f"cannot be read: {error}"]) from error
    if not isinstance(content, dict):
        raise SessionFileError(path, ["must be a mapping of keys to values"])
    return {str(key): value for key, value in content.items()}


class Columns(NamedTuple):
    """What a table may have in its header."""

    names: Mapping[str, str]
    """All columns by their other names, to their keys."""
    required: Sequence[str]


class Section:
    """One mapping of the file: takes its keys one by one and notes what is wrong with them.

    A key that is wrong gives a placeholder (an empty text, 0, UNREAD_MOMENT), so that reading
    goes on and every problem is found. `finish` notes the keys nobody asked for.
    """

    def __init__(
        self, content: Mapping[str, Any], path: str, problems: Problems, folder: Path
    ) -> None:
        """`path` of this mapping in the file; CSV files are found from `folder`."""
        self._content = content
        self._known: set[str] = set()
        self.path = path
        self.problems = problems
        self._folder = folder

    def at(self, key: str) -> str:
        """The path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def text(self, key: str, max_length: int, pattern: str = "", form: str = "") -> str:
        """A text of 1 to `max_length` characters; `form` says in words what `pattern` wants."""
        value = self._take(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            return self._refuse(key, f"must be text: write it in quotes ({value!r})", "")
        if not 1 <= len(value) <= max_length:
            return self._refuse(key, f"must have 1 to {max_length} characters", "")
        if pattern and not re.fullmatch(pattern, value):
            return self._refuse(key, f"must be {form}, not {value!r}", "")
        return value

    def has(self, key: str) -> bool:
        """Say whether a key that need not be there is."""
        self._known.add(key)
        return self._content.get(key) is not None

    def integer(self, key: str, low: int, high: int, *, absent: int | None = None) -> int:
        """A whole number from `low` to `high`; `absent` where the key need not be there."""
        if absent is not None and not self.has(key):
            return absent
        value = self._take(key)
        if value is None:
            return 0
        number = _whole_number(value)
        if number is None or not low <= number <= high:
            return self._refuse(key, f"must be a whole number from {low} to {high}", 0)
        return number

    def flag(self, key: str) -> bool:
        """True or false; false where the key is not there."""
        value = self._content.get(key) if self.has(key) else False
        if not isinstance(value, bool):
            return self._refuse(key, "must be true or false", False)
        return value

    def moment(self, key: str, zone: ZoneInfo) -> datetime:
        """A local time ``2022-02-21 09:00`` of the zone, in UTC."""
        value = self._take(key)
        if value is None:
            return UNREAD_MOMENT
        moment = _moment(value, zone)
        if moment is None:
            return self._refuse(key, "must be a local time like 2022-02-21 09:00", UNREAD_MOMENT)
        return moment

    def words(self, key: str) -> tuple[str, ...]:
        """A list of texts, or one text of words (as in a CSV cell)."""
        value = self._take(key)
        if isinstance(value, str | int) and not isinstance(value, bool):
            value = str(value).split()
        if not isinstance(value, list) or not value:
            return () if value is None else self._refuse(key, "must be a list", ())
        return tuple(str(word) for word in value)

    def section(self, key: str) -> Section:
        """The mapping below a key."""
        value = self._take(key)
        if not isinstance(value, dict):
            if value is not None:
                self.problems.note(self.at(key), "must be a mapping")
            return _Absent({}, self.at(key), self.problems, self._folder)
        return Section(value, self.at(key), self.problems, self._folder)

    def each(
        self, key: str, read: Callable[[Section], T], columns: Columns | None = None
    ) -> tuple[T, ...]:
        """Read every element of a list of mappings, given here or as ``{csv: FILE}``."""
        value = self._take(key)
        if isinstance(value, dict):
            rows = self._csv_rows(key, value, columns)
            return tuple(self._read_one(row, at, read) for at, row in rows)
        if not isinstance(value, list) or not value:
            return () if value is None else self._refuse(key, "must be a list or {csv: FILE}", ())
        return tuple(
            self._read_one(row, f"{self.at(key)}[{number}]", read)
            for number, row in enumerate(value)
        )

    def finish(self) -> None:
        """Note the keys that no one knows, with the nearest right name."""
        for key in self._content:
            if key not in self._known:
                near = difflib.get_close_matches(str(key), self._known, n=1)
                hint = f"; is {near[0]} meant?" if near else ""
                self.problems.note(self.at(str(key)), f"is not known{hint}")

    def _take(self, key: str) -> Any:
        self._known.add(key)
        value = self._content.get(key)
        if value is None:
            self.problems.note(self.at(key), "is missing")
        return value

    def _refuse(self, key: str, what: str, placeholder: T) -> T:
        self.problems.note(self.at(key), what)
        return placeholder

    def _read_one(self, row: Any, path: str, read: Callable[[Section], T]) -> T:
        if not isinstance(row, dict):
            self.problems.note(path, "must be a mapping")
            return read(_Absent({}, path, self.problems, self._folder))
        section = Section(row, path, self.problems, self._folder)
        result = read(section)
        section.finish()
        return result

    def _csv_rows(
        self, key: str, value: Mapping[str, Any], columns: Columns | None
    ) -> list[tuple[str, dict[str, Any]]]:
        source = Section(value, self.at(key), self.problems, self._folder)
        name = source.text("csv", _MAX_PATH_CHARACTERS)
        source.finish()
        if not name:
            return []
        try:
            text = io.StringIO(table_text(self._folder / name), newline="")
            reader = csv.DictReader(text, restkey=_MORE, strict=True)
            keys = {column: column for column in reader.fieldnames or ()}
            if columns and not self._know(f"{name} line 1", keys, columns):
                return []
            rows = [(f"{name} line {reader.line_num}", _filled(row, keys)) for row in reader]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            return self._refuse(key, f"{name} cannot be read: {error}", [])
        return rows or self._refuse(key, f"{name} has no rows", [])

    def _know(self, path: str, keys: dict[str, str], columns: Columns) -> bool:
        """Give columns their keys; of a table that is another one its rows are not looked at.

        What nobody knows is said once, and not again for each row.
        """
        for column in list(keys):
            keys[column] = columns.names.get(column, column)
            if keys[column] not in columns.names.values():
                self.problems.note(f"{path}.{column}", "is not known")
                del keys[column]
        missing = [key for key in columns.required if key not in keys.values()]
        for key in missing:
            self.problems.note(f"{path}.{key}", "is missing: is it another file?")
        return not missing


def table_text(path: Path) -> str:
    """A table's text: UTF-8 with or without its mark, or GB 18030 as spreadsheets write it.

    Raises OSError, UnicodeDecodeError.
    """
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030")


def _filled(row: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    """The cells that hold something, by key."""
    more = {_MORE: row[_MORE]} if row.get(_MORE) else {}
    return {key: row[column] for column, key in keys.items() if row[column]} | more


class _Absent(Section):
    """A mapping that is not there: that is noted already, so its keys are not."""

    def _take(self, key: str) -> Any:  # noqa: ARG002 - nothing is there, whatever is asked
        return None


def _whole_number(value: object) -> int | None:
    """A number, also as a CSV cell writes it; True is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{1,12}", value, re.ASCII):
        return int(value)
    return None


def _moment(value: object, zone: ZoneInfo) -> datetime | None:
    """A local time in UTC; the pattern keeps out the other forms of ISO 8601."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
