"""Brings a statement from a CSV file to enrollment (DOMAIN section 4, Reconciliation).

The import's id is made from the file and its day: the same command again goes on where the last
one ended, and changes nothing once all is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID, uuid5

import grpc
from zikao.enrollment.v1 import statement_service_pb2 as pb
from zikao.enrollment.v1 import statement_service_pb2_grpc as pb_grpc
from zikao_kit.config import CertFiles

from zikao_ctl.installation import open_operator_channel
from zikao_ctl.long_import import (
    CALL_TIMEOUT_SECONDS,
    PAUSE_SECONDS,
    STREAM_TIMEOUT_SECONDS,
    ImportFailed,
    Patience,
    Say,
)
from zikao_ctl.statement_file import CheckedStatement, StatementFile

LINES_PER_MESSAGE = 500
COMPARING_SECONDS = 600.0
_NAMESPACE = UUID("1f2f1d0e-6f43-5f0a-8a83-9d3f4b8f3c11")

OnLines = Callable[[int], None]


@dataclass
class ImportedStatement:
    """What became of a file: the statement (None in a dry run), and the lines that refuse it."""

    statement: pb.Statement | None = None
    problems: dict[int, list[str]] = field(default_factory=dict)


class StatementImport:
    """One file that has been checked, on its way into enrollment."""

    def __init__(
        self,
        file: StatementFile,
        checked: CheckedStatement,
        statement_date: date,
        *,
        replace: bool,
        dry_run: bool,
    ) -> None:
        """`replace`: in the place of another file that is complete."""
        self._file = file
        self._dry_run = dry_run
        self._start = pb.StartStatementImportRequest(
            request_id=str(uuid5(_NAMESPACE, f"{checked.digest}:{statement_date}")),
            statement_date=statement_date.isoformat(),
            source_name=file.path.name[-200:],
            totals=checked.totals,
            replace=replace,
        )

    async def run(
        self, target: str, files: CertFiles, on_lines: OnLines, say: Say
    ) -> ImportedStatement:
        """Send what is not there yet, again while the service is away; raises ImportFailed.

        Returns when the statement has been compared.
        """
        patience = Patience(target, say)
        async with open_operator_channel(target, files) as channel:
            stub = pb_grpc.StatementServiceStub(channel)
            while True:
                try:
                    return await self._try(stub, patience, on_lines)
                except grpc.aio.AioRpcError as error:
                    patience.bear(error)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _try(
        self, stub: pb_grpc.StatementServiceAsyncStub, patience: Patience, on_lines: OnLines
    ) -> ImportedStatement:
        last_line = 0
        if not self._dry_run:
            begun = await stub.StartStatementImport(self._start, timeout=CALL_TIMEOUT_SECONDS)
            last_line = begun.statement.last_line
        imported = ImportedStatement()
        answers = stub.ImportStatement(self._requests(last_line), timeout=STREAM_TIMEOUT_SECONDS)
        done = 0
        async for answer in answers:
            patience.moved()
            done += LINES_PER_MESSAGE
            on_lines(done)
            for problem in answer.problems:
                imported.problems.setdefault(problem.line, []).append(problem.problem)
        if not (self._dry_run or imported.problems):
            imported.statement = await self._compared(stub)
        return imported

    async def _requests(self, last_line: int) -> AsyncIterator[pb.ImportStatementRequest]:
        request = self._request()
        for line in self._file.lines():
            if line.line <= last_line:
                continue
            request.lines.append(line)
            if len(request.lines) == LINES_PER_MESSAGE:
                yield request
                request = self._request()
        if request.lines:
            yield request

    def _request(self) -> pb.ImportStatementRequest:
        return pb.ImportStatementRequest(
            import_id=self._start.request_id,
            statement_date=self._start.statement_date,
            dry_run=self._dry_run,
        )

    async def _compared(self, stub: pb_grpc.StatementServiceAsyncStub) -> pb.Statement:
        """The statement once it has been compared, or refused as a whole."""
        ends = time.monotonic() + COMPARING_SECONDS
        while time.monotonic() < ends:
            async for statement in _statements(stub):
                if statement.statement_date != self._start.statement_date:
                    continue
                if statement.import_id != self._start.request_id:
                    raise ImportFailed("another statement of the day has taken its place")
                if statement.state == pb.STATEMENT_STATE_REFUSED:
                    raise ImportFailed(statement.problem)
                if statement.state == pb.STATEMENT_STATE_COMPARED:
                    return statement
            await asyncio.sleep(PAUSE_SECONDS)
        raise ImportFailed(f"not compared within {COMPARING_SECONDS:.0f} seconds; run it again")


async def _statements(
    stub: pb_grpc.StatementServiceAsyncStub,
) -> AsyncIterator[pb.Statement]:
    request = pb.ListStatementsRequest()
    while True:
        page = await stub.ListStatements(request, timeout=CALL_TIMEOUT_SECONDS)
        for statement in page.statements:
            yield statement
        request.page_token = page.next_page_token
        if not request.page_token:
            return
