"""The payment platform's statements as offices bring and see them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from zikao.enrollment.v1 import statement_service_pb2 as pb
from zikao.enrollment.v1 import statement_service_pb2_grpc as pb_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

from zikao_enrollment.commands.begin_statement import begin_statement
from zikao_enrollment.commands.list_reconciled import list_statements
from zikao_enrollment.commands.receive_lines import check_lines, receive_lines
from zikao_enrollment.converts.statements import (
    line_from_pb,
    problem_to_pb,
    statement_to_pb,
    totals_from_pb,
)
from zikao_enrollment.domain.statements import (
    Day,
    Statement,
    StatementLine,
    StatementSource,
    StatementState,
    StatementSummary,
    read_date,
)
from zikao_enrollment.parts import Parts
from zikao_enrollment.stores.offices import office_audit
from zikao_enrollment.stores.statements import StatementStore


class StatementRpc(pb_grpc.StatementServiceServicer):
    """The payment platform's statements as offices bring and see them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def StartStatementImport(
        self, request: pb.StartStatementImportRequest, context: Any
    ) -> pb.StartStatementImportResponse:
        """Begin to bring a statement; its own row makes it safe to repeat."""
        actor, now = current_actor(), self._parts.clock.now()
        wanted = Statement(
            statement_date=read_date(request.statement_date, "statement_date"),
            import_id=UUID(request.request_id),
            source=StatementSource.FILE,
            source_name=request.source_name,
            state=StatementState.RECEIVING,
            started_by=actor.subject,
            started_at=now,
            stated=totals_from_pb(request.totals),
        )
        day = self._parts.statements.day(wanted.statement_date)

        async def work(tx: Transaction) -> Statement:
            return await begin_statement(
                StatementStore(tx),
                office_audit(tx),
                wanted,
                day,
                self._parts.statements.province,
                replaces=request.replace,
                actor=actor,
            )

        begun = await self._parts.db.run(work)
        await self._parts.statements.clear(begun.statement_date)
        return pb.StartStatementImportResponse(statement=_to_pb(begun))

    async def ImportStatement(
        self, request_iterator: AsyncIterator[pb.ImportStatementRequest], context: Any
    ) -> AsyncIterator[pb.ImportStatementResponse]:
        """Take what comes, message by message."""
        async for request in request_iterator:
            day = self._parts.statements.day(read_date(request.statement_date, "statement_date"))
            lines = _lines(request)
            if request.dry_run:
                yield await self._check(day, lines)
            else:
                yield await self._take(day, UUID(request.import_id), lines)

    async def ListStatements(
        self, request: pb.ListStatementsRequest, context: Any
    ) -> pb.ListStatementsResponse:
        """Statements and how far they have been compared."""
        async with self._parts.db.read() as tx:
            found, token = await list_statements(
                StatementStore(tx), request.page_size, request.page_token
            )
        return pb.ListStatementsResponse(
            statements=map(statement_to_pb, found), next_page_token=token
        )

    async def _check(self, day: Day, lines: list[StatementLine]) -> pb.ImportStatementResponse:
        async with self._parts.db.read() as tx:
            problems = await check_lines(StatementStore(tx), day, lines)
        return pb.ImportStatementResponse(problems=map(problem_to_pb, problems))

    async def _take(
        self, day: Day, import_id: UUID, lines: list[StatementLine]
    ) -> pb.ImportStatementResponse:
        after, problems = await self._parts.db.run(
            lambda tx: receive_lines(StatementStore(tx), day, import_id, lines)
        )
        if after.state is StatementState.REFUSED:
            await self._parts.statements.clear(day.on)
        return pb.ImportStatementResponse(
            statement=_to_pb(after), problems=map(problem_to_pb, problems)
        )


def _to_pb(statement: Statement) -> pb.Statement:
    """A statement that has not been compared has no differences yet."""
    return statement_to_pb(StatementSummary(statement, 0, 0))


def _lines(request: pb.ImportStatementRequest) -> list[StatementLine]:
    try:
        return [line_from_pb(line) for line in request.lines]
    except ValueError:
        problem = FieldProblem("lines", "时间或流水号不正确")
        raise DomainError(INVALID_REQUEST, fields=[problem]) from None
