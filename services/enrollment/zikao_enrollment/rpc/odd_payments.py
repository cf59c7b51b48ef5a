"""Payments that need an office's eye."""

from __future__ import annotations

from typing import Any

from zikao.enrollment.v1 import odd_payment_service_pb2 as pb
from zikao.enrollment.v1 import odd_payment_service_pb2_grpc as pb_grpc

from zikao_enrollment.commands.list_odd_payments import list_odd_payments
from zikao_enrollment.converts.odd_payments import odd_payment_filter_from_pb, odd_payment_to_pb
from zikao_enrollment.domain.differences import Area
from zikao_enrollment.parts import Parts
from zikao_enrollment.stores.odd_payments import OddPaymentStore


class OddPaymentRpc(pb_grpc.OddPaymentServiceServicer):
    """Payments that need an office's eye."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ListOddPayments(
        self, request: pb.ListOddPaymentsRequest, context: Any
    ) -> pb.ListOddPaymentsResponse:
        """Payments of an area with which something is wrong."""
        area, wanted = Area(request.county_prefix), odd_payment_filter_from_pb(request.filter)
        async with self._parts.db.read() as tx:
            found, token = await list_odd_payments(
                OddPaymentStore(tx), area, wanted, request.page_size, request.page_token
            )
        return pb.ListOddPaymentsResponse(
            payments=map(odd_payment_to_pb, found), next_page_token=token
        )
