"""Heads of chains in a file elsewhere: what was seen there cannot be changed in the database.

A line of JSON each time, so that nothing that was seen is ever overwritten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from zikao_kit.audit_chain import HASH_BYTES, Head
from zikao_kit.audit_verifying import Seen

from zikao_ctl.layout import InstallationError

FORMAT = 1


class WitnessFile:
    """The file; made when something is written to it first."""

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises InstallationError when it cannot be understood, OSError."""
        self._path = path
        self._seen: dict[str, list[Seen]] = {}
        if path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                self._take(number, line)

    def of(self, service: str) -> Sequence[Seen]:
        """What was seen of a service, the oldest first."""
        return self._seen.get(service, ())

    def write(self, at: datetime, heads: Mapping[str, Seen]) -> None:
        """Add a line, on the disk when this returns. Raises OSError."""
        content = {
            "format": FORMAT,
            "written_at": at.isoformat(),
            "heads": {service: _told(seen) for service, seen in heads.items()},
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(content) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _take(self, number: int, line: str) -> None:
        try:
            for service, told in _heads(line).items():
                self._seen.setdefault(service, []).append(_seen(told))
        except (ValueError, KeyError, TypeError) as error:
            raise InstallationError(f"{self._path}: line {number} is no checkpoint") from error


def _heads(line: str) -> Mapping[str, Any]:
    content = json.loads(line)
    if content["format"] != FORMAT:
        raise ValueError(content["format"])
    heads: Mapping[str, Any] = content["heads"]
    return heads


def _told(seen: Seen) -> dict[str, Any]:
    return {
        "number": seen.head.number,
        "sha256": seen.head.hash.hex(),
        "entry_at": seen.entry_at.isoformat(),
    }


def _seen(told: Mapping[str, Any]) -> Seen:
    digest = bytes.fromhex(told["sha256"])
    entry_at = datetime.fromisoformat(told["entry_at"])
    if len(digest) != HASH_BYTES or entry_at.tzinfo is None:
        raise ValueError(told)
    return Seen(Head(int(told["number"]), digest), entry_at)
