"""What other systems learn about tickets."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from zikao.tickets.v1 import ticket_feed_service_pb2, ticket_feed_service_pb2_grpc
from zikao_kit.convert import time_to_pb
from zikao_kit.feed import stream_feed

from zikao_tickets.converts.versions import event_to_pb
from zikao_tickets.names import SCHEMA
from zikao_tickets.parts import Parts


class TicketFeedRpc(ticket_feed_service_pb2_grpc.TicketFeedServiceServicer):
    """What other systems learn about tickets."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def WatchTickets(
        self, request: ticket_feed_service_pb2.WatchTicketsRequest, context: Any
    ) -> AsyncIterator[ticket_feed_service_pb2.WatchTicketsResponse]:
        """Every change after a cursor, then new ones as they come."""
        async with aclosing(stream_feed(self._parts.db, SCHEMA, request.cursor)) as pages:
            async for page in pages:
                yield ticket_feed_service_pb2.WatchTicketsResponse(
                    events=[event_to_pb(row) for row in page.rows],
                    as_of=time_to_pb(page.as_of),
                )
