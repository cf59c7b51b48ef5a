"""Sites and rooms of a county, as its offices keep them."""

from __future__ import annotations

import asyncio
from typing import Any

from zikao.tickets.v1 import site_service_pb2, site_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.errors import INVALID_REQUEST, DomainError
from zikao_kit.idempotency import run_once

from zikao_tickets.commands.import_sites import SiteImport, import_sites
from zikao_tickets.commands.list_accommodations import list_accommodations
from zikao_tickets.commands.list_sites import list_sites
from zikao_tickets.commands.set_accommodation import NamedCandidate, set_accommodation
from zikao_tickets.converts.sites import (
    accommodation_to_pb,
    correction_act_from_pb,
    need_from_pb,
    room_use_act_from_pb,
    site_problem_to_pb,
    site_record_to_pb,
    sites_from_pb,
)
from zikao_tickets.domain.office_acts import Proposal
from zikao_tickets.names import SCHEMA
from zikao_tickets.parts import Parts
from zikao_tickets.rpc.proposals import propose
from zikao_tickets.stores.accommodations import AccommodationStore
from zikao_tickets.stores.sessions import SessionStore
from zikao_tickets.stores.sites import SiteStore


class SiteRpc(site_service_pb2_grpc.SiteServiceServicer):
    """Sites and rooms of a county, as its offices keep them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ImportSites(
        self, request: site_service_pb2.ImportSitesRequest, context: Any
    ) -> site_service_pb2.ImportSitesResponse:
        """Make sites what is given."""
        actor, now = current_actor(), self._parts.clock.now()
        sites = await asyncio.to_thread(sites_from_pb, request.sites)
        wanted = SiteImport(
            request.session_code,
            request.county_prefix,
            sites,
            request.remove_others,
            await self._parts.site_text_problems(sites),
        )

        async def work(tx: Transaction) -> site_service_pb2.ImportSitesResponse:
            store = self._parts.offices(tx)
            done = await import_sites(store, wanted, actor=actor, dry_run=request.dry_run, now=now)
            return site_service_pb2.ImportSitesResponse(
                changes=done.changes, problems=map(site_problem_to_pb, done.problems)
            )

        response_type = site_service_pb2.ImportSitesResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)

    async def ListSites(
        self, request: site_service_pb2.ListSitesRequest, context: Any
    ) -> site_service_pb2.ListSitesResponse:
        """Sites with their rooms."""
        area = request.session_code, request.county_prefix
        async with self._parts.db.read() as tx:
            page = await list_sites(
                SessionStore(tx), SiteStore(tx), area, request.page_size, request.page_token
            )
        return site_service_pb2.ListSitesResponse(
            sites=[site_record_to_pb(site, page.rooms) for site in page.sites],
            next_page_token=page.next_page_token,
        )

    async def SetRoomUse(
        self, request: site_service_pb2.SetRoomUseRequest, context: Any
    ) -> site_service_pb2.SetRoomUseResponse:
        """Use a room otherwise."""
        act = room_use_act_from_pb(request)
        proposal = Proposal(request.session_code, request.county_code, act)
        return await propose(self._parts, request, proposal, site_service_pb2.SetRoomUseResponse)

    async def CorrectSite(
        self, request: site_service_pb2.CorrectSiteRequest, context: Any
    ) -> site_service_pb2.CorrectSiteResponse:
        """Put right what tickets say of a site."""
        act = correction_act_from_pb(request)
        if problems := await self._parts.text_problems(act.printed()):
            raise DomainError(INVALID_REQUEST, fields=problems)
        proposal = Proposal(request.session_code, request.county_code, act)
        return await propose(self._parts, request, proposal, site_service_pb2.CorrectSiteResponse)

    async def SetAccommodation(
        self, request: site_service_pb2.SetAccommodationRequest, context: Any
    ) -> site_service_pb2.SetAccommodationResponse:
        """Note what a candidate needs."""
        actor, now, need = current_actor(), self._parts.clock.now(), need_from_pb(request.need)
        candidate = NamedCandidate(request.session_code, request.county_code, request.ticket_number)

        async def work(tx: Transaction) -> site_service_pb2.SetAccommodationResponse:
            stores = self._parts.offices(tx), AccommodationStore(tx)
            await set_accommodation(*stores, candidate, need, actor=actor, now=now)
            return site_service_pb2.SetAccommodationResponse()

        response_type = site_service_pb2.SetAccommodationResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)

    async def ListAccommodations(
        self, request: site_service_pb2.ListAccommodationsRequest, context: Any
    ) -> site_service_pb2.ListAccommodationsResponse:
        """What candidates of a county need."""
        county = request.session_code, request.county_code
        async with self._parts.db.read() as tx:
            found, next_page_token = await list_accommodations(
                SessionStore(tx),
                AccommodationStore(tx),
                county,
                request.page_size,
                request.page_token,
            )
        return site_service_pb2.ListAccommodationsResponse(
            accommodations=map(accommodation_to_pb, found), next_page_token=next_page_token
        )
