"""`zikao import-candidates`: older candidates from a CSV file (DOMAIN section 3, Activation).

The import's id is made from the file and the settings: the same command again goes on where the
last one ended, however that was, and says the same in the end. A dry run begins anew each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4, uuid5

import grpc
from rich.progress import MofNCompleteColumn, Progress
from zikao.registration.v1 import older_candidate_service_pb2 as older
from zikao.registration.v1 import older_candidate_service_pb2_grpc as older_grpc
from zikao_kit.config import CertFiles

from zikao_ctl.candidates_file import CandidatesFile, UnsentRow
from zikao_ctl.installation import open_operator_channel
from zikao_ctl.long_import import (
    CALL_TIMEOUT_SECONDS,
    PAUSE_SECONDS,
    STREAM_TIMEOUT_SECONDS,
    Patience,
    Say,
    write_problems,
)

ROWS_PER_MESSAGE = 200
# A message may have 5,200 KiB; the last row of one may bring another 1 MiB.
BYTES_PER_MESSAGE = 4 * 1024 * 1024
PROBLEMS_PER_PAGE = 1000
_NAMESPACE = UUID("6f0f1c52-8a3e-5a8e-9d6b-2f6a3f9f1b70")

OnProgress = Callable[[older.OlderImport], None]


@dataclass(frozen=True)
class ImportSettings:
    """How rows are taken: see StartImport. `again`: all of them, also those that are done."""

    replace: bool = False
    dry_run: bool = False
    again: bool = False

    def import_id(self, file: CandidatesFile) -> UUID:
        """The same for the same file, unless its rows are to be looked at anew."""
        if self.dry_run or self.again:
            return uuid4()
        return uuid5(_NAMESPACE, f"{file.digest}:{self.replace}")


@dataclass(frozen=True)
class Imported:
    """An import that is done, and the lines that were not entered, by line."""

    progress: older.OlderImport
    problems: dict[int, list[str]]


class CandidateImport:
    """One file on its way into one service."""

    def __init__(
        self, file: CandidatesFile, settings: ImportSettings, on_progress: OnProgress, say: Say
    ) -> None:
        """`say` gets a sentence whenever the import begins to wait for the service."""
        self._file = file
        self._on_progress = on_progress
        self._say = say
        self._start = older.StartImportRequest(
            request_id=str(settings.import_id(file)),
            source_name=file.path.name[-200:],
            total_rows=len(file.lines),
            replace=settings.replace,
            dry_run=settings.dry_run,
        )
        self._unsent: dict[int, list[str]] = {}

    async def run(self, target: str, files: CertFiles) -> Imported:
        """Send what is not there yet, again while the service is away; raises ImportFailed."""
        patience = Patience(target, self._say)
        async with open_operator_channel(target, files) as channel:
            stub = older_grpc.OlderCandidateServiceStub(channel)
            while True:
                try:
                    return await self._try(stub, patience)
                except grpc.aio.AioRpcError as error:
                    patience.bear(error)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _try(
        self, stub: older_grpc.OlderCandidateServiceAsyncStub, patience: Patience
    ) -> Imported:
        begun = await stub.StartImport(self._start, timeout=CALL_TIMEOUT_SECONDS)
        progress = begun.progress
        self._moved(patience, progress)
        requests = self._requests(progress.last_line)
        async for answer in stub.ImportOlderCandidates(requests, timeout=STREAM_TIMEOUT_SECONDS):
            progress = answer.progress
            self._moved(patience, progress)
        problems = dict(self._unsent)
        async for problem in self._problems(stub):
            problems[problem.line] = list(problem.problems)
        return Imported(progress, dict(sorted(problems.items())))

    def _moved(self, patience: Patience, progress: older.OlderImport) -> None:
        patience.moved()
        self._on_progress(progress)

    async def _requests(self, last_line: int) -> AsyncIterator[older.ImportOlderCandidatesRequest]:
        import_id = self._start.request_id
        request = older.ImportOlderCandidatesRequest(import_id=import_id)
        size = 0
        # Every row, also of those that are done: the report has all that cannot be sent.
        for row in self._file.rows():
            if isinstance(row, UnsentRow):
                self._unsent[row.line] = list(row.problems)
                continue
            if row.line <= last_line:
                continue
            request.rows.append(row)
            size += row.ByteSize()
            if len(request.rows) == ROWS_PER_MESSAGE or size >= BYTES_PER_MESSAGE:
                yield request
                request, size = older.ImportOlderCandidatesRequest(import_id=import_id), 0
        if request.rows:
            yield request

    async def _problems(
        self, stub: older_grpc.OlderCandidateServiceAsyncStub
    ) -> AsyncIterator[older.ImportProblem]:
        request = older.ListImportProblemsRequest(
            import_id=self._start.request_id, page_size=PROBLEMS_PER_PAGE
        )
        while True:
            page = await stub.ListImportProblems(request, timeout=CALL_TIMEOUT_SECONDS)
            for problem in page.problems:
                yield problem
            request.page_token = page.next_page_token
            if not request.page_token:
                return


def describe_import(imported: Imported) -> str:
    """What became of the rows, or would have."""
    done = imported.progress
    if done.dry_run:
        entered, replaced = f"would enter {done.entered}", f"replace {done.replaced}"
        return f"nothing was entered: {entered}, {replaced}, leave {done.unchanged} unchanged"
    return f"entered {done.entered}, replaced {done.replaced}, unchanged {done.unchanged}"


def write_report(imported: Imported, path: Path) -> None:
    """The lines that were not entered, as CSV that spreadsheets read."""
    write_problems(imported.problems, path)


@contextmanager
def import_bar(total_rows: int) -> Iterator[tuple[OnProgress, Say]]:
    """Show on a terminal how many rows are done; what is said stands above it."""
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as bar:
        task = bar.add_task("导入", total=total_rows)

        def show(progress: older.OlderImport) -> None:
            counts = (progress.entered, progress.unchanged, progress.replaced, progress.refused)
            bar.update(task, completed=sum(counts))

        def say(text: str) -> None:
            bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

        yield show, say
