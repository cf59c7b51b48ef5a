"""`zikao export`: the roster or the statistics of a session as a CSV file.

A roster is stored part by part, with the place up to which it has come: the same command again
goes on there, however the last one ended. The file has its name when it is whole.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from rich.progress import MofNCompleteColumn, Progress
from zikao.enrollment.v1 import roster_service_pb2 as rosters
from zikao.enrollment.v1 import roster_service_pb2_grpc as rosters_grpc
from zikao.enrollment.v1 import statistics_service_pb2 as statistics
from zikao.enrollment.v1 import statistics_service_pb2_grpc as statistics_grpc
from zikao_client import CallFailed
from zikao_kit.config import CertFiles
from zikao_kit.error_table import reason_of
from zikao_kit.errors import NOT_NOW
from zikao_kit.files import OWNER_ONLY

from zikao_ctl.installation import open_operator_channel

# The service ends longer streams; the export then goes on with another.
STREAM_TIMEOUT_SECONDS = 14 * 60.0
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.5
GROUPINGS = ("county", "slot", "course", "county-slot", "county-course")
_PREFIX = "STATISTICS_GROUPING_"

OnProgress = Callable[[int, int], None]


class ExportFailed(Exception):  # noqa: N818 - says what happened
    """The service refused the export, or could not be reached for too long."""


class PartFile:
    """A file while it comes: what there is of it, and how to go on (both survive kill -9)."""

    def __init__(self, path: Path, request: dict[str, str]) -> None:
        """Take up what is there of the same request; begin anew otherwise."""
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._place = path.with_name(f"{path.name}.part.json")
        self._request = request
        self.cursor, self.candidates, self._bytes = self._known()
        # Names, numbers and pictures of people, on a machine that others may use, too.
        with open(
            self._part, "ab", opener=lambda path, flags: os.open(path, flags, OWNER_ONLY)
        ) as f:
            os.fchmod(f.fileno(), OWNER_ONLY)
            f.truncate(self._bytes)

    def add(self, csv: bytes, cursor: str, candidates: int) -> None:
        """Append a part, and then the place after it."""
        with self._part.open("r+b") as file:
            file.seek(self._bytes)
            file.write(csv)
            file.truncate()
            os.fsync(file.fileno())
        self._bytes += len(csv)
        self.candidates += candidates
        self.cursor = cursor
        new = self._place.with_name(f"{self._place.name}.new")
        place = {"cursor": cursor, "candidates": self.candidates, "bytes": self._bytes}
        new.write_text(json.dumps({"request": self._request, **place}), encoding="utf-8")
        new.replace(self._place)

    def restart(self) -> None:
        """Forget everything: it cannot be gone on with."""
        self._place.unlink(missing_ok=True)
        self.cursor, self.candidates, self._bytes = "", 0, 0

    def finish(self) -> None:
        """The file is whole."""
        self._part.replace(self._path)
        self._place.unlink(missing_ok=True)

    def _known(self) -> tuple[str, int, int]:
        try:
            place: dict[str, Any] = json.loads(self._place.read_text(encoding="utf-8"))
            size = self._part.stat().st_size
        except (FileNotFoundError, json.JSONDecodeError):
            return "", 0, 0
        if place["request"] != self._request or size < place["bytes"]:
            return "", 0, 0
        return place["cursor"], place["candidates"], place["bytes"]


class RosterExport:
    """A roster on its way into a file."""

    def __init__(self, session_code: str, county_prefix: str, path: Path, show: OnProgress) -> None:
        """`show` gets how many candidates are there, and how many there will be."""
        self._request = rosters.ExportRosterRequest(
            session_code=session_code, county_prefix=county_prefix
        )
        self._file = PartFile(path, {"session": session_code, "county": county_prefix})
        self._show = show
        self._moved_at = time.monotonic()

    async def run(self, target: str, files: CertFiles) -> int:
        """Fetch what is not there yet; how many candidates there are. Raises ExportFailed."""
        async with open_operator_channel(target, files) as channel:
            stub = rosters_grpc.RosterServiceStub(channel)
            await persist(lambda: self._try(stub), lambda: self._moved_at)
        self._file.finish()
        return self._file.candidates

    async def _try(self, stub: rosters_grpc.RosterServiceAsyncStub) -> None:
        self._request.cursor = self._file.cursor
        async for part in stub.ExportRoster(self._request, timeout=STREAM_TIMEOUT_SECONDS):
            self._file.add(part.csv, part.cursor, part.candidates)
            self._moved_at = time.monotonic()
            self._show(self._file.candidates, part.total_candidates)


async def persist(attempt: Callable[[], Awaitable[None]], moved_at: Callable[[], float]) -> None:
    """Try until it is done, as long as something comes now and then; `moved_at` is when last.

    Raises ExportFailed for a refusal that does not pass, and after PATIENCE_SECONDS of nothing.
    """
    while True:
        try:
            return await attempt()
        except grpc.aio.AioRpcError as error:
            failed = CallFailed(error)
            waited = time.monotonic() - moved_at()
            # Without a reason it is the transport's.
            passes = failed.reason in NOT_NOW or reason_of(error) is None
            if not passes or waited > PATIENCE_SECONDS:
                raise ExportFailed(str(failed)) from error
        await asyncio.sleep(PAUSE_SECONDS)


async def export_statistics(
    wanted: tuple[str, str, str], path: Path, target: str, files: CertFiles
) -> int:
    """Fetch the statistics, all of one moment; how many rows there are. Raises ExportFailed.

    `wanted` are the session, the area's code and one of GROUPINGS.
    """
    session_code, county_prefix, by = wanted
    request = statistics.ExportStatisticsRequest(
        session_code=session_code,
        county_prefix=county_prefix,
        grouping=statistics.StatisticsGrouping.Value(_PREFIX + by.upper().replace("-", "_")),
    )
    content, rows = b"", 0
    async with open_operator_channel(target, files) as channel:
        stub = statistics_grpc.StatisticsServiceStub(channel)
        try:
            async for part in stub.ExportStatistics(request, timeout=STREAM_TIMEOUT_SECONDS):
                content += part.csv
                rows += part.rows
        except grpc.aio.AioRpcError as error:
            raise ExportFailed(str(CallFailed(error))) from error
    path.write_bytes(content)  # noqa: ASYNC240 - once, and nothing else goes on
    return rows


@contextmanager
def export_bar(what: str = "导出") -> Iterator[OnProgress]:
    """Show on a terminal how many there are of all."""
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=max(done, total))
