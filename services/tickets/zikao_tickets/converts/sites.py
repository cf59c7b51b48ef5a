"""Sites and rooms, as messages and as values."""

from collections.abc import Iterable, Mapping

from zikao.tickets.v1 import office_service_pb2, session_service_pb2, site_service_pb2
from zikao_kit.convert import enum_from_pb, enum_to_pb, time_to_pb

from zikao_tickets.domain.accommodation import Accommodation, Need
from zikao_tickets.domain.layout import Layout, RoomPlan
from zikao_tickets.domain.rooms import RoomUse, SetRoomUse, UsedRoom
from zikao_tickets.domain.session import RoomKey, Site
from zikao_tickets.domain.site_correction import CorrectSite, SiteTexts
from zikao_tickets.domain.site_problems import SiteProblem

_LAYOUT, _USE, _NEED = "ROOM_LAYOUT_", "ROOM_USE_", "ACCOMMODATION_NEED_"


def sites_from_pb(sites: Iterable[session_service_pb2.Site]) -> list[Site]:
    """Sites in the order in which they are filled."""
    return [
        Site(
            code=site.code,
            county_code=site.county_code,
            county_name=site.county_name,
            name=site.name,
            address=site.address,
            rooms=tuple(map(room_from_pb, site.rooms)),
        )
        for site in sites
    ]


def site_to_pb(site: Site) -> session_service_pb2.Site:
    """A site with its rooms."""
    return session_service_pb2.Site(
        code=site.code,
        county_code=site.county_code,
        county_name=site.county_name,
        name=site.name,
        address=site.address,
        rooms=map(room_to_pb, site.rooms),
    )


def site_record_to_pb(site: Site, rooms: Mapping[RoomKey, UsedRoom]) -> site_service_pb2.SiteRecord:
    """A site, and what is known of its rooms."""
    known = ((room.code, rooms.get((site.code, room.code))) for room in site.rooms)
    return site_service_pb2.SiteRecord(
        site=site_to_pb(site),
        rooms=[
            site_service_pb2.RoomRecord(
                room_code=code, sittings=used.sittings, use_reason=used.reason
            )
            for code, used in known
            if used
        ],
    )


def site_problem_to_pb(problem: SiteProblem) -> site_service_pb2.SiteProblem:
    """What is wrong with a site."""
    return site_service_pb2.SiteProblem(**problem._asdict())


def accommodation_to_pb(noted: Accommodation) -> site_service_pb2.Accommodation:
    """What a candidate needs."""
    return site_service_pb2.Accommodation(
        ticket_number=noted.ticket_number,
        need=enum_to_pb(site_service_pb2.AccommodationNeed, _NEED, noted.need),
        noted_by=noted.noted_by,
        noted_at=time_to_pb(noted.noted_at),
    )


def need_from_pb(number: int) -> Need | None:
    """A need; None when there is none."""
    if number == site_service_pb2.ACCOMMODATION_NEED_NONE:
        return None
    return Need(enum_from_pb(site_service_pb2.AccommodationNeed, _NEED, number))


def room_from_pb(room: session_service_pb2.Room) -> RoomPlan:
    """One room; of tens of thousands most say nothing but their size."""
    return RoomPlan(
        code=room.code,
        columns=room.columns,
        rows=room.rows,
        layout=_layout_from_pb(room.layout),
        numbering=tuple(room.numbering),
        accessible=frozenset(room.accessible),
        use=use_from_pb(room.use),
    )


def room_to_pb(room: RoomPlan) -> session_service_pb2.Room:
    """One room."""
    return session_service_pb2.Room(
        code=room.code,
        columns=room.columns,
        rows=room.rows,
        layout=enum_to_pb(session_service_pb2.RoomLayout, _LAYOUT, room.layout),
        numbering=room.numbering,
        accessible=sorted(room.accessible),
        use=enum_to_pb(session_service_pb2.RoomUse, _USE, room.use),
    )


def use_from_pb(number: int) -> RoomUse | None:
    """A room's use; None for unspecified."""
    return RoomUse(enum_from_pb(session_service_pb2.RoomUse, _USE, number)) if number else None


def room_use_act_to_pb(act: SetRoomUse) -> office_service_pb2.SetRoomUseAct:
    """A change of a room's use."""
    return office_service_pb2.SetRoomUseAct(
        site_code=act.site_code,
        room_code=act.room_code,
        use=enum_to_pb(session_service_pb2.RoomUse, _USE, act.use),
        reason=act.reason,
    )


def room_use_act_from_pb(
    act: office_service_pb2.SetRoomUseAct | site_service_pb2.SetRoomUseRequest,
) -> SetRoomUse:
    """The same as it was stored or is asked for."""
    use = RoomUse(enum_from_pb(session_service_pb2.RoomUse, _USE, act.use))
    return SetRoomUse(act.site_code, act.room_code, use, act.reason)


def _layout_from_pb(number: int) -> Layout:
    if not number:
        return Layout.SNAKE
    return Layout(enum_from_pb(session_service_pb2.RoomLayout, _LAYOUT, number))


def correction_act_to_pb(act: CorrectSite) -> office_service_pb2.CorrectSiteAct:
    """The act as it waits for a second officer."""
    return office_service_pb2.CorrectSiteAct(
        site_code=act.site_code, **act.texts._asdict(), reason=act.reason
    )


def correction_act_from_pb(
    act: office_service_pb2.CorrectSiteAct | site_service_pb2.CorrectSiteRequest,
) -> CorrectSite:
    """The act that was proposed, or is asked for."""
    return CorrectSite(act.site_code, SiteTexts(act.name, act.address), act.reason)
