"""What offices did and what waits for a second officer."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from google.protobuf.json_format import MessageToJson, Parse
from google.protobuf.message import Message
from zikao.tickets.v1 import office_service_pb2
from zikao_kit.office_acts import Act
from zikao_kit.office_messages import action_fields

from zikao_tickets.converts.arrangements import publication_from_pb, publication_to_pb
from zikao_tickets.converts.glyphs import supply_glyph_act_from_pb, supply_glyph_act_to_pb
from zikao_tickets.converts.sites import (
    correction_act_from_pb,
    correction_act_to_pb,
    room_use_act_from_pb,
    room_use_act_to_pb,
)
from zikao_tickets.converts.versions import (
    reissue_act_to_pb,
    reissue_from_pb,
    temporary_act_to_pb,
    temporary_from_pb,
)
from zikao_tickets.domain.glyphs import SupplyGlyph
from zikao_tickets.domain.office_acts import OfficeAction
from zikao_tickets.domain.publication import PublishArrangements
from zikao_tickets.domain.rooms import SetRoomUse
from zikao_tickets.domain.site_correction import CorrectSite
from zikao_tickets.domain.versions import IssueTemporaryTicket, ReissueTicket


class ActForm(NamedTuple):
    """How the acts of one name are told in messages, and understood."""

    to_pb: Callable[[Any], Message]
    from_pb: Callable[[Any], Act]


FORMS = {
    SetRoomUse.name: ActForm(room_use_act_to_pb, room_use_act_from_pb),
    CorrectSite.name: ActForm(correction_act_to_pb, correction_act_from_pb),
    PublishArrangements.name: ActForm(publication_to_pb, publication_from_pb),
    SupplyGlyph.name: ActForm(supply_glyph_act_to_pb, supply_glyph_act_from_pb),
    ReissueTicket.name: ActForm(reissue_act_to_pb, reissue_from_pb),
    IssueTemporaryTicket.name: ActForm(temporary_act_to_pb, temporary_from_pb),
}
"""By name; who carries them out is in `parts`."""


def act_to_json(act: Act) -> str:
    """An act as it is stored: its message in protobuf's JSON."""
    return MessageToJson(act_to_pb(act), indent=None, ensure_ascii=False)


def act_from_json(body: str) -> Act:
    """An act as it was stored."""
    message = Parse(body, office_service_pb2.OfficeAct())
    ((field, act),) = message.ListFields()
    return FORMS[field.name].from_pb(act)


def act_to_pb(act: Act) -> office_service_pb2.OfficeAct:
    """An act as message."""
    fields: dict[str, Any] = {act.name: FORMS[act.name].to_pb(act)}
    return office_service_pb2.OfficeAct(**fields)


def action_to_pb(action: OfficeAction, now: datetime) -> office_service_pb2.OfficeAction:
    """An act with its way, as it stands now; digests of seats stay secret."""
    act = act_to_pb(action.proposal.act)
    for each in act.publish_arrangements.arrangements:
        each.ClearField("seats_sha256")
    return office_service_pb2.OfficeAction(act=act, **action_fields(action, now))
