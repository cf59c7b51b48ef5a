"""Act 3: plans before the opening, seats at the opening, county by county."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import waiting_room_service_pb2 as waiting
from zikao_client import CallFailed, new_request_id, patiently
from zikao_kit.context import ADMISSION_PASS_KEY

from zikao_ctl.demo.people import Role
from zikao_ctl.demo.stage import Player, Stage, StoryBroken
from zikao_ctl.session_model import TRACKS

OPENING = "opening"
PLAN_BEFORE_OPENING = timedelta(days=2)
# There are few of us: others ask when `ask_again_after` says.
PLACE_SECONDS = 0.2


async def plan(stage: Stage) -> None:
    """Everybody saves courses and ranked counties; the hero first tries two in one slot."""
    opening = stage.session.calendar.enrollment[TRACKS[0]].opens_at
    await stage.move_to(opening - PLAN_BEFORE_OPENING)

    async def play(player: Player) -> None:
        await stage.log_in(player)
        if player.person.role is Role.HERO:
            await plan_the_impossible(stage, player)
        await save_plan(stage, player, player.person.course_codes)

    await stage.each("plan", stage.players, play)


async def save_plan(stage: Stage, player: Player, course_codes: tuple[str, ...]) -> None:
    """Save a plan; its fee must be the price of its courses."""
    request = enrollment.SavePlanRequest(
        request_id=new_request_id(),
        session_code=stage.session.code,
        choice=enrollment.EnrollmentChoice(
            course_codes=course_codes, county_codes=player.person.county_codes
        ),
        may_move_on_late_payment=True,
    )
    metadata = player.metadata
    answer = await patiently(lambda: stage.zikao.enrollment.SavePlan(request, metadata=metadata))
    if answer.fee_fen != stage.session.fee_fen * len(course_codes):
        raise StoryBroken(f"a plan of {len(course_codes)} courses costs {answer.fee_fen} fen")


async def plan_the_impossible(stage: Stage, player: Player) -> None:
    """Two courses of one slot: the answer says which."""
    chosen = player.person.course_codes[0]
    slots = {course.code: course.slot for course in stage.session.courses}
    same_slot = next(
        course.code
        for course in stage.session.courses
        if course.slot == slots[chosen] and course.code != chosen and "social" in course.tracks
    )
    try:
        await save_plan(stage, player, (chosen, same_slot))
    except CallFailed as refused:
        problems = "；".join(problem.description for problem in refused.fields)
        stage.say(f"{player.person.name} plans two courses of one slot: {problems}")
    else:
        raise StoryBroken("two courses of one slot were accepted")


async def open_window(stage: Stage, track: str) -> list[Player]:
    """Submit the plans of a track the second its window opens; return who has seats."""
    crowd = [player for player in stage.players if player.person.track == track]
    if not crowd:
        return []
    opening = stage.session.calendar.enrollment[track].opens_at
    await stage.move_to(opening - timedelta(seconds=60))
    await stage.each(f"log in before the {track} opening", crowd, stage.log_in)
    await stage.each(f"join the waiting room of the {track} opening", crowd, partial(join, stage))
    await submit_too_early(stage, crowd[0])
    await stage.move_to(opening)
    await stage.each(OPENING, crowd, partial(submit_in_turn, stage))
    stage.count("held", len(crowd))
    return crowd


async def join(stage: Stage, player: Player) -> waiting.Place:
    """Come into the waiting room, in two tabs: there is one place."""
    request = waiting.JoinWaitingRoomRequest(session_code=stage.session.code)
    metadata = player.metadata

    async def tab() -> waiting.Place:
        call = stage.zikao.waiting_room.JoinWaitingRoom
        answer = await patiently(lambda: call(request, metadata=metadata))
        return answer.place

    place, other = await tab(), await tab()
    # The order may be drawn between the two, and not every process hears of it at once.
    if 0 not in (place.number, other.number) and place.number != other.number:
        raise StoryBroken(f"two places in the waiting room: {place.number} and {other.number}")
    return place


async def submit_in_turn(stage: Stage, player: Player) -> None:
    """Wait for the own turn, and submit with the pass."""
    request = waiting.GetPlaceRequest(session_code=stage.session.code)
    get_place, metadata = stage.zikao.waiting_room.GetPlace, player.metadata
    place = await join(stage, player)
    while place.state in (waiting.PLACE_STATE_WAITING, waiting.PLACE_STATE_QUEUED):
        await asyncio.sleep(PLACE_SECONDS)
        place = (await patiently(lambda: get_place(request, metadata=metadata))).place
    if player.person.role is Role.HERO and place.number:
        stage.say(f"{player.person.name} has drawn number {place.number} in the waiting room")
    await submit(stage, player, place.admission_pass)


async def submit(stage: Stage, player: Player, admission_pass: str = "") -> None:
    """Take the seats of the saved plan."""
    request = enrollment.SubmitPlanRequest(
        request_id=new_request_id(), session_code=stage.session.code
    )
    metadata = (*player.metadata, (ADMISSION_PASS_KEY, admission_pass))
    answer = await patiently(lambda: stage.zikao.enrollment.SubmitPlan(request, metadata=metadata))
    player.order = answer.order
    if player.person.role is Role.HERO:
        slots = "、".join(
            f"第{course.slot}场 {course.course_code}" for course in answer.order.courses
        )
        stage.say(f"{player.person.name} has seats in {answer.order.county_code}: {slots}")


async def submit_too_early(stage: Stage, player: Player) -> None:
    """A minute before: refused with the times."""
    try:
        await submit(stage, player)
    except CallFailed as refused:
        stage.say(f"a minute too early: {refused.sentence}")
    else:
        raise StoryBroken("seats were given before the window opened")
