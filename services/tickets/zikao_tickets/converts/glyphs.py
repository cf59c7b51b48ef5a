"""What cannot be printed and what is supplied for it, as messages."""

from zikao.tickets.v1 import office_service_pb2, unprintable_service_pb2
from zikao_kit.convert import enum_from_pb, enum_to_pb, time_to_pb

from zikao_tickets.domain.glyphs import SupplyGlyph, UnprintableFilter, UnprintableTicket

_REASON = "UNPRINTABLE_REASON_"


def supply_glyph_act_to_pb(act: SupplyGlyph) -> office_service_pb2.SupplyGlyphAct:
    """The act as message."""
    return office_service_pb2.SupplyGlyphAct(character=act.character, png=act.png)


def supply_glyph_act_from_pb(message: office_service_pb2.SupplyGlyphAct) -> SupplyGlyph:
    """The act that a message tells."""
    return SupplyGlyph(message.character, message.png)


def unprintable_filter_from_pb(
    message: unprintable_service_pb2.ListUnprintableRequest,
) -> UnprintableFilter:
    """Which tickets."""
    reason = enum_from_pb(unprintable_service_pb2.UnprintableReason, _REASON, message.reason)
    return UnprintableFilter(
        session_code=message.session_code,
        county_prefix=message.county_prefix,
        reason=reason.upper() if message.reason else None,
    )


def unprintable_to_pb(ticket: UnprintableTicket) -> unprintable_service_pb2.UnprintableEntry:
    """One ticket on the list."""
    return unprintable_service_pb2.UnprintableEntry(
        ticket_number=ticket.ticket_number,
        county_code=ticket.county_code,
        reason=enum_to_pb(unprintable_service_pb2.UnprintableReason, _REASON, ticket.reason),
        characters=ticket.characters,
        noted_at=time_to_pb(ticket.noted_at),
    )
