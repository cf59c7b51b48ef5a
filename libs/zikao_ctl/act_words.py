"""Acts of offices in a line each, for the officer who is to confirm them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zikao.enrollment.v1 import types_pb2 as enrollment_types
from zikao.tickets.v1 import session_service_pb2 as sessions
from zikao.tickets.v1 import types_pb2 as types

from zikao_ctl.listing import short, visible

_SHOWN = 5


def in_one_line(act: Any) -> str:
    """What an OfficeAct of tickets or of enrollment does."""
    name = act.WhichOneof("act")
    return visible(WORDS[name](getattr(act, name)))


def character_name(character: str) -> str:
    """A character beside its number, for nobody may have a font for it: "𠱃 U+20C43"."""
    return f"{character} U+{ord(character):04X}"


def _room_use(act: Any) -> str:
    use = short(sessions.RoomUse, act.use, "ROOM_USE_")
    return f"room {act.site_code}/{act.room_code} is {use}: {act.reason}"


def _publication(act: Any) -> str:
    above = ", also above the bound" if act.above_bound else ""
    looks = [look for each in act.arrangements for look in [_drawn(each)] if look]
    more = [f"and {len(looks) - _SHOWN} more"] if len(looks) > _SHOWN else []
    said = "; ".join([f"{len(act.arrangements)} counties are published{above}", *looks[:_SHOWN]])
    return ", ".join([said, *more])


def _drawn(proposed: Any) -> str:
    """What of a county a second officer should ask about; nothing of one like any other."""
    is_first = proposed.anew or not proposed.published_before
    looks = {
        "anew": proposed.anew,
        f"{proposed.discarded} given up before it": proposed.discarded,
        f"{proposed.published_before} in force before it": proposed.published_before,
        f"{proposed.rooms} rooms, {proposed.rooms_bound} proven to be needed": (
            is_first and proposed.rooms > proposed.rooms_bound
        ),
    }
    odd = [look for look, is_so in looks.items() if is_so]
    return f"{proposed.county_code}: {', '.join(odd)}, by {proposed.started_by}" if odd else ""


def _glyph(act: Any) -> str:
    return f"{character_name(act.character)} is drawn as the picture"


def _site(act: Any) -> str:
    return f"site {act.site_code} is {act.name}, {act.address}: {act.reason}"


def _reissue(act: Any) -> str:
    reason = short(types.TicketReason, act.reason, "TICKET_REASON_")
    return f"ticket {act.ticket_number} is issued anew ({reason}): {act.note}"


def _temporary(act: Any) -> str:
    photo = "without a photo" if act.without_photo else "with the photo"
    return f"ticket {act.ticket_number} is replaced by a temporary one {photo}: {act.note}"


def _capacities(act: Any) -> str:
    shown = [f"{s.county_code} slot {s.slot}: {s.capacity}" for s in act.seats[:_SHOWN]]
    more = len(act.seats) - len(shown)
    return f"seats of {', '.join(shown)}" + (f" and {more} more" if more else "")


def _closed(act: Any) -> str:
    return f"{_closing(act)} is closed: {act.reason}"


def _opened(act: Any) -> str:
    return f"{_closing(act)} is open again"


def _closing(act: Any) -> str:
    return f"enrollment in {act.county_prefix} for {act.course_code or 'all courses'}"


def _refund(act: Any) -> str:
    return f"refund {act.refund_id} is asked for again"


def _admission(act: Any) -> str:
    track = short(enrollment_types.Track, act.track, "TRACK_")
    if act.hold:
        return f"the waiting room of {track} candidates admits nobody"
    rate = f"at most {act.per_second} a second" if act.per_second else "as many as are finished"
    return f"the waiting room of {track} candidates admits {rate}"


WORDS: Mapping[str, Callable[[Any], str]] = {
    "set_room_use": _room_use,
    "publish_arrangements": _publication,
    "supply_glyph": _glyph,
    "correct_site": _site,
    "reissue_ticket": _reissue,
    "issue_temporary_ticket": _temporary,
    "change_capacities": _capacities,
    "close_enrollment": _closed,
    "open_enrollment": _opened,
    "request_refund_again": _refund,
    "set_admission_rate": _admission,
}
"""By the name of the field in OfficeAct."""
