"""Arrangements as messages."""

from zikao.tickets.v1 import arrangement_service_pb2
from zikao_kit.convert import enum_to_pb, time_to_pb

from zikao_tickets.domain.states import Arrangement

_STATE = "ARRANGEMENT_STATE_"


def arrangement_to_pb(
    arrangement: Arrangement, seed: bytes = b""
) -> arrangement_service_pb2.Arrangement:
    """`seed` is given once the arrangement is published."""
    return arrangement_service_pb2.Arrangement(
        arrangement_id=str(arrangement.arrangement_id),
        session_code=arrangement.session_code,
        county_code=arrangement.county_code,
        state=enum_to_pb(arrangement_service_pb2.ArrangementState, _STATE, arrangement.state),
        seed_sha256=arrangement.seed_sha256,
        seed=seed,
        candidates=arrangement.candidates,
        sittings=arrangement.sittings,
        rooms=arrangement.rooms,
        failure=arrangement.failure,
        started_at=time_to_pb(arrangement.started_at),
    )
