"""Tickets that cannot be printed, and what an office does about it."""

from typing import Any

from zikao.tickets.v1 import unprintable_service_pb2 as pb
from zikao.tickets.v1 import unprintable_service_pb2_grpc as pb_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.errors import DomainError
from zikao_kit.idempotency import run_once

from zikao_tickets.commands.check_names import recheck_unprintable
from zikao_tickets.commands.list_unprintable import list_unprintable
from zikao_tickets.commands.load_session import load_session
from zikao_tickets.converts.glyphs import unprintable_filter_from_pb, unprintable_to_pb
from zikao_tickets.domain.glyphs import SupplyGlyph
from zikao_tickets.domain.office_acts import Proposal
from zikao_tickets.names import SCHEMA
from zikao_tickets.parts import Parts
from zikao_tickets.rpc.proposals import propose
from zikao_tickets.stores.offices import office_audit
from zikao_tickets.stores.sessions import SessionStore


class UnprintableRpc(pb_grpc.UnprintableServiceServicer):
    """Tickets that cannot be printed, and what an office does about it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ListUnprintable(
        self, request: pb.ListUnprintableRequest, context: Any
    ) -> pb.ListUnprintableResponse:
        """Tickets in force that cannot be printed."""
        wanted = unprintable_filter_from_pb(request)
        async with self._parts.db.read() as tx:
            await load_session(SessionStore(tx), request.session_code)
            page = request.page_size, request.page_token
            found, token = await list_unprintable(self._parts.glyph_store(tx), wanted, *page)
        return pb.ListUnprintableResponse(
            entries=map(unprintable_to_pb, found), next_page_token=token
        )

    async def RecheckUnprintable(
        self, request: pb.RecheckUnprintableRequest, context: Any
    ) -> pb.RecheckUnprintableResponse:
        """Look again at what is on the list."""
        actor, now = current_actor(), self._parts.clock.now()

        async def work(tx: Transaction) -> pb.RecheckUnprintableResponse:
            await load_session(SessionStore(tx), request.session_code)
            names, photos = await recheck_unprintable(
                self._parts.glyph_store(tx),
                office_audit(tx),
                request.session_code,
                request.county_prefix,
                actor=actor,
                now=now,
            )
            return pb.RecheckUnprintableResponse(names=names, photos=photos)

        response_type = pb.RecheckUnprintableResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)

    async def SupplyGlyph(
        self, request: pb.SupplyGlyphRequest, context: Any
    ) -> pb.SupplyGlyphResponse:
        """Draw a picture in the place of a character that no font has."""
        is_needed, problem = await self._parts.pool.judge_glyph(request.character, request.png)
        if not is_needed:
            raise DomainError("GLYPH_NOT_NEEDED", character=request.character)
        if problem:
            raise DomainError("GLYPH_UNUSABLE", detail=problem)
        act = SupplyGlyph(request.character, request.png)
        proposal = Proposal(request.session_code, request.county_prefix, act)
        answer_type, dry_run = pb.SupplyGlyphResponse, request.dry_run
        return await propose(self._parts, request, proposal, answer_type, dry_run=dry_run)
