"""Act 1: accounts, applications with photo and identity material, submission."""

from __future__ import annotations

import asyncio
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import registration_service_pb2 as registrations
from zikao.registration.v1 import types_pb2 as types
from zikao_client import CallFailed, new_request_id, patiently
from zikao_sandbox.portraits import identity_material_jpeg, portrait_jpeg
from zikao_tickets.printing.fonts import default_stack

from zikao_ctl.demo.people import Person, Role
from zikao_ctl.demo.stage import Player, Stage, StoryBroken

UPLOAD_TIMEOUT_SECONDS = 20.0
WRONG_NAME = "王小朋"
Pictures = tuple[bytes, bytes]


async def register(stage: Stage, painters: ProcessPoolExecutor) -> None:
    """Everybody hands in an application; one makes the mistakes that people make."""
    await stage.move_to(stage.session.calendar.registration.opens_at + timedelta(minutes=30))
    loop = asyncio.get_running_loop()

    async def play(player: Player) -> None:
        pictures = loop.run_in_executor(painters, draw, player.person)
        await create_account(stage, player)
        await stage.log_in(player)
        await fill_in(stage, player)
        if player.person.role is Role.HERO:
            await hand_in_too_early(stage, player)
        await upload(stage, player, await pictures)
        await hand_in(stage, player)

    await stage.each("register", stage.players, play)
    stage.count("registered", len(stage.players))


def draw(person: Person) -> Pictures:
    """A person's photo and identity material."""
    font = default_stack().heading.path
    material = identity_material_jpeg(
        person.number, person.sex_zh, person.name, person.document_number, font
    )
    return portrait_jpeg(person.number, person.sex_zh), material


async def create_account(stage: Stage, player: Player) -> None:
    """An account, and with it an empty application."""
    person = player.person
    request = accounts.CreateAccountRequest(
        request_id=new_request_id(),
        session_code=stage.session.code,
        document_type=types.DocumentType.Value(f"DOCUMENT_TYPE_{person.document_type}"),
        document_number=person.document_number,
        password=person.password,
    )
    answer = await patiently(lambda: stage.zikao.accounts.CreateAccount(request))
    player.candidate_id = answer.candidate_id


async def fill_in(stage: Stage, player: Player, *, corrected: bool = False) -> None:
    """Write the personal data; who is to be rejected writes another name than the document's."""
    person = player.person
    mistaken = person.role is Role.CORRECTED and not corrected
    request = registrations.UpdateRegistrationRequest(
        request_id=new_request_id(),
        personal=types.PersonalData(
            name=WRONG_NAME if mistaken else person.name,
            sex=types.Sex.Value(f"SEX_{person.sex.upper()}"),
            ethnicity_code=person.ethnicity_code,
            birth_date=person.birth_date.isoformat(),
            county_code=person.county_code,
            track=types.Track.Value(f"TRACK_{person.track.upper()}"),
            major_code=person.major_code,
            mobile=person.mobile,
        ),
    )
    metadata = player.metadata
    await patiently(
        lambda: stage.zikao.registrations.UpdateRegistration(request, metadata=metadata)
    )


async def upload(stage: Stage, player: Player, pictures: Pictures) -> None:
    """Photo and identity material."""
    photo, material = pictures
    uploads = stage.zikao.registrations
    metadata, timeout = player.metadata, UPLOAD_TIMEOUT_SECONDS
    photo_request = registrations.UploadPhotoRequest(request_id=new_request_id(), jpeg=photo)
    await patiently(lambda: uploads.UploadPhoto(photo_request, metadata=metadata, timeout=timeout))
    material_request = registrations.UploadIdentityMaterialRequest(
        request_id=new_request_id(), jpeg=material
    )
    await patiently(
        lambda: uploads.UploadIdentityMaterial(material_request, metadata=metadata, timeout=timeout)
    )


async def hand_in(stage: Stage, player: Player) -> None:
    """Submit for review."""
    request = registrations.SubmitRegistrationRequest(request_id=new_request_id())
    metadata = player.metadata
    answer = await patiently(
        lambda: stage.zikao.registrations.SubmitRegistration(request, metadata=metadata)
    )
    if answer.registration.state != types.REGISTRATION_STATE_PENDING_REVIEW:
        raise StoryBroken(f"{player.candidate_id} is not pending after handing in")


async def hand_in_too_early(stage: Stage, player: Player) -> None:
    """Without a photo: the answer names what is missing."""
    try:
        await hand_in(stage, player)
    except CallFailed as refused:
        missing = "；".join(problem.description for problem in refused.fields)
        stage.say(f"{player.person.name} hands in too early: {refused.sentence}（{missing}）")
    else:
        raise StoryBroken("an application without a photo was accepted")
