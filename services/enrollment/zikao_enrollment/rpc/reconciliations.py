"""Reconciliation as offices see it: differences, totals, and both as files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from zikao.enrollment.v1 import reconciliation_service_pb2 as pb
from zikao.enrollment.v1 import reconciliation_service_pb2_grpc as pb_grpc
from zikao_kit.context import current_actor
from zikao_kit.convert import time_from_pb, time_to_pb
from zikao_kit.db import Transaction
from zikao_kit.idempotency import run_once
from zikao_kit.spreadsheet import csv_header, csv_rows

from zikao_enrollment.commands.list_reconciled import list_differences
from zikao_enrollment.commands.resolve_difference import confirm_resolution, resolve_difference
from zikao_enrollment.converts.reconciliation import (
    COMPARISON_COLUMNS_ZH,
    DIFFERENCE_COLUMNS_ZH,
    comparison_row,
    difference_row,
    difference_to_pb,
    filter_from_pb,
    resolution_from_pb,
    totals_to_pb,
)
from zikao_enrollment.domain.differences import Area, ComparedMoney
from zikao_enrollment.domain.statements import Day, read_date
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.parts import Parts
from zikao_enrollment.stores.comparisons import ComparisonStore
from zikao_enrollment.stores.differences import DifferenceStore
from zikao_enrollment.stores.offices import office_audit
from zikao_enrollment.stores.statements import StatementStore

ROWS_PER_PIECE = 1000


class ReconciliationRpc(pb_grpc.ReconciliationServiceServicer):
    """Reconciliation as offices see it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ListDifferences(
        self, request: pb.ListDifferencesRequest, context: Any
    ) -> pb.ListDifferencesResponse:
        """Differences of an area."""
        area, wanted = Area(request.county_prefix), filter_from_pb(request.filter)
        async with self._parts.db.read() as tx:
            found, token = await list_differences(
                DifferenceStore(tx), area, wanted, request.page_size, request.page_token
            )
        return pb.ListDifferencesResponse(
            differences=map(difference_to_pb, found), next_page_token=token
        )

    async def ResolveDifference(
        self, request: pb.ResolveDifferenceRequest, context: Any
    ) -> pb.ResolveDifferenceResponse:
        """An officer's word on a difference."""
        sessions = self._parts.statements.sessions
        dual = {session.code: session.policies.dual_control for session in sessions}

        async def work(tx: Transaction) -> pb.ResolveDifferenceResponse:
            after = await resolve_difference(
                DifferenceStore(tx),
                office_audit(tx),
                UUID(request.difference_id),
                resolution_from_pb(request.resolution),
                reason=request.reason,
                dual_control=dual,
                actor=current_actor(),
                now=self._parts.clock.now(),
            )
            return pb.ResolveDifferenceResponse(difference=difference_to_pb(after))

        response_type = pb.ResolveDifferenceResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)

    async def ConfirmResolution(
        self, request: pb.ConfirmResolutionRequest, context: Any
    ) -> pb.ConfirmResolutionResponse:
        """Another officer's word on what was proposed."""

        async def work(tx: Transaction) -> pb.ConfirmResolutionResponse:
            after = await confirm_resolution(
                DifferenceStore(tx),
                office_audit(tx),
                UUID(request.difference_id),
                confirmed=request.confirmed,
                proposed_at=time_from_pb(request.proposed_at),
                actor=current_actor(),
                now=self._parts.clock.now(),
            )
            return pb.ConfirmResolutionResponse(difference=difference_to_pb(after))

        response_type = pb.ConfirmResolutionResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)

    async def GetDayTotals(
        self, request: pb.GetDayTotalsRequest, context: Any
    ) -> pb.GetDayTotalsResponse:
        """The money of one day by county."""
        day, area = self._day(request.statement_date), Area(request.county_prefix)
        as_of = self._parts.clock.now()
        place = self._parts.statements.summing(current_actor().subject)
        async with place, self._parts.db.read() as tx:
            found = await ComparisonStore(tx).sum_day(day, area)
        return pb.GetDayTotalsResponse(counties=map(totals_to_pb, found), as_of=time_to_pb(as_of))

    async def ExportDifferences(
        self, request: pb.ExportDifferencesRequest, context: Any
    ) -> AsyncIterator[pb.ExportDifferencesResponse]:
        """Differences of an area as CSV."""
        area, wanted = Area(request.county_prefix), filter_from_pb(request.filter)
        zone, token = self._parts.statements.zone, None
        yield pb.ExportDifferencesResponse(csv=csv_header(DIFFERENCE_COLUMNS_ZH))
        while token != "":
            async with self._parts.db.read() as tx:
                found, token = await list_differences(
                    DifferenceStore(tx), area, wanted, ROWS_PER_PIECE, token or ""
                )
            rows = csv_rows(difference_row(each, zone) for each in found)
            yield pb.ExportDifferencesResponse(csv=rows)

    async def ExportComparison(
        self, request: pb.ExportComparisonRequest, context: Any
    ) -> AsyncIterator[pb.ExportComparisonResponse]:
        """Every payment and refund of a day as CSV."""
        day, area = self._day(request.statement_date), Area(request.county_prefix)
        zone = self._parts.statements.zone
        yield pb.ExportComparisonResponse(csv=csv_header(COMPARISON_COLUMNS_ZH))
        async for page in self._compared(day, area):
            rows = csv_rows(comparison_row(each, zone) for each in page)
            yield pb.ExportComparisonResponse(csv=rows)

    async def _compared(self, day: Day, area: Area) -> AsyncIterator[Sequence[ComparedMoney]]:
        async with self._parts.db.read() as tx:
            statement = await StatementStore(tx).find(day.on)
        for line in range(0, statement.last_line if statement else 0, ROWS_PER_PIECE):
            async with self._parts.db.read() as tx:
                yield await ComparisonStore(tx).list_lines(
                    day.on, line, line + ROWS_PER_PIECE, area
                )
        page: Sequence[ComparedMoney] | None = None
        while page is None or len(page) == ROWS_PER_PIECE:
            async with self._parts.db.read() as tx:
                store, after = ComparisonStore(tx), page[-1] if page else None
                page = await store.list_unlisted(day, after, area, ROWS_PER_PIECE)
            yield page

    def _day(self, statement_date: str) -> Day:
        return self._parts.statements.day(read_date(statement_date, "statement_date"))
