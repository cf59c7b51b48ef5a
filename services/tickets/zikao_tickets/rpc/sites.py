"""Sites and rooms of a county, as its offices keep them."""

from __future__ import annotations

from typing import Any

from zikao.tickets.v1 import site_service_pb2, site_service_pb2_grpc

from zikao_tickets.converts.sites import room_use_act_from_pb
from zikao_tickets.domain.office_acts import Proposal
from zikao_tickets.parts import Parts
from zikao_tickets.rpc.proposals import propose


class SiteRpc(site_service_pb2_grpc.SiteServiceServicer):
    """Sites and rooms of a county, as its offices keep them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def SetRoomUse(
        self, request: site_service_pb2.SetRoomUseRequest, context: Any
    ) -> site_service_pb2.SetRoomUseResponse:
        """Use a room otherwise."""
        act = room_use_act_from_pb(request)
        proposal = Proposal(request.session_code, request.county_code, act)
        return await propose(self._parts, request, proposal, site_service_pb2.SetRoomUseResponse)
