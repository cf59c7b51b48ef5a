"""What offices did and what waits for a second officer."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from google.protobuf.json_format import MessageToJson, Parse
from google.protobuf.message import Message
from zikao.tickets.v1 import office_audit_service_pb2, office_service_pb2
from zikao_kit.convert import enum_from_pb, enum_to_pb, optional, time_to_pb

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
from zikao_tickets.domain.office_acts import Act, ActionFilter, ActionState, OfficeAction
from zikao_tickets.domain.office_audit import OfficeAuditEntry, OfficeAuditFilter
from zikao_tickets.domain.publication import PublishArrangements
from zikao_tickets.domain.rooms import SetRoomUse
from zikao_tickets.domain.site_correction import CorrectSite
from zikao_tickets.domain.versions import IssueTemporaryTicket, ReissueTicket

_STATE = "OFFICE_ACTION_STATE_"


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
    """An act with its way, as it stands now."""
    proposal, state = action.proposal, action.at(now).state
    return office_service_pb2.OfficeAction(
        action_id=str(action.action_id),
        session_code=proposal.session_code,
        county_prefix=proposal.county_prefix,
        act=act_to_pb(proposal.act),
        state=enum_to_pb(office_service_pb2.OfficeActionState, _STATE, state),
        proposed_by=action.proposed_by,
        proposed_at=time_to_pb(action.proposed_at),
        expires_at=optional(action.expires_at, time_to_pb),
        decided_by=action.decided_by or "",
        decided_at=optional(action.decided_at, time_to_pb),
    )


def action_filter_from_pb(message: office_service_pb2.ListOfficeActionsRequest) -> ActionFilter:
    """Which acts."""
    state = enum_from_pb(office_service_pb2.OfficeActionState, _STATE, message.state)
    return ActionFilter(
        county_prefix=message.county_prefix,
        session_code=message.session_code or None,
        state=ActionState(state) if message.state else None,
    )


def audit_filter_from_pb(
    message: office_audit_service_pb2.ListOfficeAuditEntriesRequest,
) -> OfficeAuditFilter:
    """Which entries."""
    return OfficeAuditFilter(
        county_prefix=message.county_prefix,
        session_code=message.session_code or None,
        actor=message.actor or None,
        action=message.action or None,
    )


def audit_entry_to_pb(entry: OfficeAuditEntry) -> office_audit_service_pb2.OfficeAuditEntry:
    """One entry."""
    return office_audit_service_pb2.OfficeAuditEntry(
        audit_id=entry.audit_id,
        at=time_to_pb(entry.at),
        actor=entry.actor,
        role=entry.role,
        action=entry.action,
        session_code=entry.session_code,
        county_prefix=entry.county_prefix,
        before_json=entry.before,
        after_json=entry.after,
    )
