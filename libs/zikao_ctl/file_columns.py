"""The first line of a CSV file, which names its columns in English or Chinese and in any order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence


class FileColumnsError(Exception):
    """A file has not the columns that it must have; the text names them."""


def columns_of(
    header: Sequence[str], known: Mapping[str, str], optional: Collection[str]
) -> list[str]:
    """The columns of a file as `known` names them, whose values are the Chinese names.

    Raises FileColumnsError for those that nobody knows, that are missing, or there twice.
    """
    names = {chinese: column for column, chinese in known.items()}
    columns = [names.get(name.strip(), name.strip()) for name in header]
    problems = {
        "unknown": [name for name in columns if name not in known],
        "missing": [name for name in known if name not in columns and name not in optional],
        "twice": sorted({name for name in columns if columns.count(name) > 1}),
    }
    if any(problems.values()):
        said = "; ".join(f"{what}: {', '.join(which)}" for what, which in problems.items() if which)
        raise FileColumnsError(f"columns {said}")
    return columns
