"""What long imports have in common: they outlast a service that is away, and report bad rows."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import grpc
from zikao_client import CallFailed
from zikao_kit.error_table import reason_of
from zikao_kit.errors import NOT_NOW

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.5
CALL_TIMEOUT_SECONDS = 30.0
# The service ends longer streams; the import then goes on with another.
STREAM_TIMEOUT_SECONDS = 14 * 60.0

Say = Callable[[str], None]


class ImportFailed(Exception):  # noqa: N818 - says what happened
    """The service refused the import, or could not be reached for too long."""


class Patience:
    """How long an import waits for its service: from the last time that it moved."""

    def __init__(self, target: str, say: Say) -> None:
        """`say` gets a sentence whenever the import begins to wait."""
        self._target = target
        self._say = say
        self._waits = False
        self._moved_at = time.monotonic()

    def moved(self) -> None:
        """The service has answered."""
        self._moved_at = time.monotonic()
        self._waits = False

    def bear(self, error: grpc.aio.AioRpcError) -> None:
        """Return when it is worth another try; raises ImportFailed."""
        failed = CallFailed(error)
        waited = time.monotonic() - self._moved_at
        # Without a reason it is the transport's: a stream that breaks while rows are being sent
        # ends as INTERNAL.
        passes = failed.reason in NOT_NOW or reason_of(error) is None
        if not passes or waited > PATIENCE_SECONDS:
            fields = "".join(f"\n  - {p.field}: {p.description}" for p in failed.fields)
            raise ImportFailed(f"{failed}{fields}") from error
        if not self._waits:
            self._waits = True
            said = f"{self._target}: {failed}; trying again for {PATIENCE_SECONDS:.0f} seconds"
            self._say(said)


def write_problems(problems: Mapping[int, Sequence[str]], path: Path) -> None:
    """Lines with what is wrong with them, as CSV that spreadsheets read."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["行号", "问题"])
        writer.writerows([line, "；".join(each)] for line, each in problems.items())
