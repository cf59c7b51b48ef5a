"""How enrollment goes, in numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from zikao.enrollment.v1 import statistics_service_pb2, statistics_service_pb2_grpc
from zikao_kit.convert import time_to_pb
from zikao_kit.spreadsheet import csv_header

from zikao_enrollment.converts.csv_files import (
    STATISTICS_HEADER,
    statistics_csv,
)
from zikao_enrollment.converts.figures import grouping_from_pb, row_to_pb
from zikao_enrollment.parts import Parts

ROWS_PER_PART = 1000


class StatisticsRpc(statistics_service_pb2_grpc.StatisticsServiceServicer):
    """How enrollment goes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def GetStatistics(
        self, request: statistics_service_pb2.GetStatisticsRequest, context: Any
    ) -> statistics_service_pb2.GetStatisticsResponse:
        """The numbers of an area, row by row."""
        self._parts.boards.current.require(request.session_code)
        figures = await self._parts.statistics.figures(request.session_code)
        rows = figures.rows(grouping_from_pb(request.grouping), request.county_prefix)
        return statistics_service_pb2.GetStatisticsResponse(
            rows=map(row_to_pb, rows), as_of=time_to_pb(figures.as_of)
        )

    async def ExportStatistics(
        self, request: statistics_service_pb2.ExportStatisticsRequest, context: Any
    ) -> AsyncIterator[statistics_service_pb2.ExportStatisticsResponse]:
        """The same as a CSV file."""
        session = self._parts.boards.current.require(request.session_code).session
        figures = await self._parts.statistics.figures(request.session_code)
        rows = figures.rows(grouping_from_pb(request.grouping), request.county_prefix)
        beginning = csv_header(STATISTICS_HEADER)
        for first in range(0, max(len(rows), 1), ROWS_PER_PART):
            part = rows[first : first + ROWS_PER_PART]
            yield statistics_service_pb2.ExportStatisticsResponse(
                csv=beginning + statistics_csv(session, figures, part),
                rows=len(part),
                total_rows=len(rows),
            )
            beginning = b""
