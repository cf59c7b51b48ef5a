"""Who is enrolled, for other systems and for offices."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from zikao.enrollment.v1 import roster_service_pb2, roster_service_pb2_grpc
from zikao_kit.convert import time_to_pb
from zikao_kit.spreadsheet import csv_header

from zikao_enrollment.commands.read_roster import begin_roster, read_roster
from zikao_enrollment.converts.csv_files import ROSTER_HEADER, roster_csv
from zikao_enrollment.converts.figures import roster_page_to_pb
from zikao_enrollment.domain.rosters import RosterFilter, RosterPage
from zikao_enrollment.parts import Parts
from zikao_enrollment.stores.rosters import RosterStore


class RosterRpc(roster_service_pb2_grpc.RosterServiceServicer):
    """Who is enrolled."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def StreamRoster(
        self, request: roster_service_pb2.StreamRosterRequest, context: Any
    ) -> AsyncIterator[roster_service_pb2.StreamRosterResponse]:
        """Every confirmed enrollment, in parts."""
        async with aclosing(self._pages(request)) as pages:
            async for page in pages:
                yield roster_page_to_pb(page)

    async def ExportRoster(
        self, request: roster_service_pb2.ExportRosterRequest, context: Any
    ) -> AsyncIterator[roster_service_pb2.ExportRosterResponse]:
        """The same as a CSV file."""
        session = self._parts.boards.current.require(request.session_code).session
        async with self._parts.db.read() as tx:
            total = await RosterStore(tx).count(_wanted(request))
        beginning = b"" if request.cursor else csv_header(ROSTER_HEADER)
        async with aclosing(self._pages(request)) as pages:
            async for page in pages:
                yield roster_service_pb2.ExportRosterResponse(
                    csv=beginning + roster_csv(session, page.entries),
                    cursor=str(page.place),
                    candidates=len(page.entries),
                    total_candidates=total,
                    as_of=time_to_pb(page.place.as_of),
                )
                beginning = b""

    async def _pages(self, request: Any) -> AsyncGenerator[RosterPage, None]:
        """The pages after the request's cursor, at least one."""
        self._parts.boards.current.require(request.session_code)
        async with self._parts.db.read() as tx:
            place = await begin_roster(RosterStore(tx), _wanted(request), request.cursor)
        more = True
        while more:
            async with self._parts.db.read() as tx:
                page = await read_roster(RosterStore(tx), place)
            yield page
            place, more = page.place, page.more


def _wanted(request: Any) -> RosterFilter:
    return RosterFilter(request.session_code, request.county_prefix)
