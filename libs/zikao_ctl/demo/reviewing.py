"""Act 2: offices look and decide; one application is rejected, corrected and approved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from zikao.registration.v1 import registration_service_pb2 as registrations
from zikao.registration.v1 import review_service_pb2 as reviews
from zikao.registration.v1 import types_pb2 as types
from zikao_client import CallFailed, new_request_id, patiently

from zikao_ctl.demo.officers import hire_officer, officer_metadata
from zikao_ctl.demo.people import Role
from zikao_ctl.demo.registering import fill_in, hand_in
from zikao_ctl.demo.stage import Player, Stage, StoryBroken

LEASED_AT_ONCE = 20
COMMENT = "姓名与证件不一致，请按证件填写"
_CALL_SECONDS = 20.0


async def review(stage: Stage) -> None:
    """Every county's officer empties the work list."""
    calendar = stage.session.calendar
    await stage.move_to(calendar.registration.closes_at - timedelta(hours=7))
    counties = sorted({player.person.county_code for player in stage.players})
    for county_code in counties:
        if county_code not in stage.officers:  # else from an earlier session
            await hire_officer(stage, county_code)
    await refuse_stranger(stage, counties)
    approved: Counter[str] = Counter()
    for county_code in counties:
        approved[county_code] += await empty_work_list(stage, county_code)
    await correct(stage)
    corrected = next(p for p in stage.players if p.person.role is Role.CORRECTED)
    home = corrected.person.county_code
    approved[home] += await empty_work_list(stage, home)
    await stage.each("collect ticket numbers", stage.players, lambda p: collect_number(stage, p))
    stage.count("approved", approved.total())


async def refuse_stranger(stage: Stage, counties: Sequence[str]) -> None:
    """An officer of one county asks for the work of another."""
    own, other = counties[0], counties[-1]
    metadata = await officer_metadata(stage, own)
    request = reviews.LeaseRegistrationsRequest(
        request_id=new_request_id(), county_code=other, max_count=1
    )
    try:
        await patiently(lambda: stage.zikao.reviews.LeaseRegistrations(request, metadata=metadata))
    except CallFailed as refused:
        stage.say(f"the officer of {own} asks for work of {other}: {refused.sentence}")
    else:
        raise StoryBroken("an officer got the work of another county")


async def empty_work_list(stage: Stage, county_code: str) -> int:
    """Lease, look, decide, until nothing is left; how many were approved."""
    metadata = await officer_metadata(stage, county_code)
    approved = 0
    while leased := await lease(stage, county_code, metadata):
        for registration in leased:
            approved += await decide(stage, registration, metadata)
    stage.say(f"the office of {county_code} approves {approved}")
    return approved


async def lease(
    stage: Stage, county_code: str, metadata: tuple[tuple[str, str], ...]
) -> Sequence[types.Registration]:
    """Take some applications off the work list."""
    request = reviews.LeaseRegistrationsRequest(
        request_id=new_request_id(), county_code=county_code, max_count=LEASED_AT_ONCE
    )
    answer = await patiently(
        lambda: stage.zikao.reviews.LeaseRegistrations(
            request, metadata=metadata, timeout=_CALL_SECONDS
        )
    )
    return answer.registrations


async def decide(
    stage: Stage, registration: types.Registration, metadata: tuple[tuple[str, str], ...]
) -> bool:
    """Look at the material; reject who wrote another name than the document says."""
    names = {player.candidate_id: player.person.name for player in stage.players}
    look = reviews.GetReviewMaterialRequest(candidate_id=registration.candidate_id)
    material = await patiently(
        lambda: stage.zikao.reviews.GetReviewMaterial(look, metadata=metadata)
    )
    right = registration.personal.name == names[registration.candidate_id]
    if not (material.photo_jpeg and material.identity_material_jpeg):
        raise StoryBroken(f"{registration.candidate_id} came without pictures")
    request = reviews.DecideRegistrationRequest(
        request_id=new_request_id(),
        candidate_id=registration.candidate_id,
        approve=right,
        reasons=[] if right else [types.REJECTION_REASON_NAME],
        comment="" if right else COMMENT,
    )
    await patiently(lambda: stage.zikao.reviews.DecideRegistration(request, metadata=metadata))
    return right


async def correct(stage: Stage) -> None:
    """Who was rejected sees why, corrects it and hands in again."""
    player = next(player for player in stage.players if player.person.role is Role.CORRECTED)
    await stage.move_to(stage.session.calendar.review_closes_at - timedelta(hours=7))
    await stage.log_in(player)
    decision = (await own_registration(stage, player)).last_decision
    if decision.approved or types.REJECTION_REASON_NAME not in decision.reasons:
        raise StoryBroken("a wrong name was not rejected")
    stage.say(
        f"{player.person.name} was rejected ({decision.comment}), corrects it, hands in again"
    )
    await fill_in(stage, player, corrected=True)
    await hand_in(stage, player)


async def collect_number(stage: Stage, player: Player) -> None:
    """The candidate logs in and reads the ticket number."""
    await stage.log_in(player)
    player.ticket_number = (await own_registration(stage, player)).ticket_number
    if not player.ticket_number:
        raise StoryBroken(f"{player.candidate_id} has no ticket number")
    if player.person.role is Role.HERO:
        stage.say(f"{player.person.name}'s ticket number (准考证号) is {player.ticket_number}")


async def own_registration(stage: Stage, player: Player) -> types.Registration:
    """The candidate's application."""
    request, metadata = registrations.GetRegistrationRequest(), player.metadata
    answer = await patiently(
        lambda: stage.zikao.registrations.GetRegistration(request, metadata=metadata)
    )
    return answer.registration
