"""How arranging, printing and the door go, in numbers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from zikao.tickets.v1 import ticket_statistics_service_pb2 as pb
from zikao.tickets.v1 import ticket_statistics_service_pb2_grpc
from zikao_kit.convert import enum_from_pb, time_to_pb

from zikao_tickets.commands.load_session import load_session
from zikao_tickets.domain.statistics import Grouping
from zikao_tickets.parts import Parts
from zikao_tickets.stores.sessions import SessionStore

_GROUPING = "TICKET_STATISTICS_GROUPING_"


class TicketStatisticsRpc(ticket_statistics_service_pb2_grpc.TicketStatisticsServiceServicer):
    """How arranging, printing and the door go."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def GetTicketStatistics(
        self, request: pb.GetTicketStatisticsRequest, context: Any
    ) -> pb.GetTicketStatisticsResponse:
        """The numbers of an area, row by row."""
        async with self._parts.db.read() as tx:
            await load_session(SessionStore(tx), request.session_code)
        figures = await self._parts.statistics.figures(request.session_code)
        grouping = Grouping(enum_from_pb(pb.TicketStatisticsGrouping, _GROUPING, request.grouping))
        rows = figures.rows(grouping, request.county_prefix)
        return pb.GetTicketStatisticsResponse(
            rows=[
                pb.TicketStatisticsRow(**group._asdict(), **asdict(numbers))
                for group, numbers in rows
            ],
            as_of=time_to_pb(figures.as_of),
        )
