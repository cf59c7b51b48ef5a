"""Writing, completing and handing in an application, and what its deadlines end."""

import io
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from support.registration_people import (
    apply_session,
    approval,
    complete,
    document_number,
    lease_request,
    log_in,
    material,
    material_request,
    new_candidate,
    new_officer,
    pending_candidate,
    personal_data,
    photo,
    photo_request,
    rejection,
    submit_request,
    update_request,
)
from support.registration_server import (
    CLOSES,
    MATERIAL_CLOSES,
    REVIEW_CLOSES,
    RegistrationServer,
    registration_server,
)
from support.service import Caller, until
from support.service_databases import MakeDatabase
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import types_pb2 as types

GET = registration.GetRegistrationRequest()
LIGHT_BLUE = (124, 186, 240)


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, in its registration window."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield running


async def state_of(candidate: Caller) -> str:
    """Where the candidate's registration stands."""
    state = (await candidate.call(GET)).registration.state
    return types.RegistrationState.Name(state).removeprefix("REGISTRATION_STATE_")


async def until_state(candidate: Caller, state: str) -> None:
    """Wait for the worker."""

    async def reached() -> bool:
        return await state_of(candidate) == state

    await until(reached)


async def until_looked(server: RegistrationServer) -> None:
    """Wait until the worker has looked at all deadlines once more, from the first to the last.

    It deletes lapsed attempts before it looks, so two deletions have a whole look between them.
    """

    async def deleted() -> bool:
        return not await server.rows("SELECT 1 FROM registration.login_attempt WHERE attempts = 77")

    for _ in range(2):
        await server.rows(
            "INSERT INTO registration.login_attempt VALUES ('\\x00', 77, '2000-01-01T00:00Z')"
        )
        await until(deleted)


def picture(size: tuple[int, int], color: tuple[int, int, int], *, noise: bool = False) -> bytes:
    """A JPEG of one colour, or of noise upon it."""
    image = Image.new("RGB", size, color)
    if noise:
        image.paste(Image.effect_noise(size, 90))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


async def test_bad_fields_are_named_together(server: RegistrationServer) -> None:
    """What breaks the contract is answered with every field, and nothing is stored."""
    candidate = await new_candidate(server)
    wrong = personal_data(
        name="长" * 65,
        sex=7,
        ethnicity_code="X1",
        birth_date="31.12.1991",
        county_code="5101",
        mobile="12345",
    )
    refused = await candidate.refused(update_request(wrong))
    assert refused.reason == "INVALID_REQUEST"
    assert [problem.field for problem in refused.fields] == [
        "personal.name",
        "personal.sex",
        "personal.ethnicity_code",
        "personal.birth_date",
        "personal.county_code",
        "personal.mobile",
    ]
    assert (await candidate.call(GET)).registration.personal == types.PersonalData()


async def test_what_no_pattern_sees_is_named_together(server: RegistrationServer) -> None:
    """Names, ethnicities and dates that cannot be are refused in a draft already."""
    candidate = await new_candidate(server)
    wrong = personal_data(name="张3", ethnicity_code="77", birth_date="1991-02-30")
    refused = await candidate.refused(update_request(wrong))
    assert refused.reason == "INVALID_REQUEST"
    assert [problem.field for problem in refused.fields] == [
        "personal.name",
        "personal.ethnicity_code",
        "personal.birth_date",
    ]


async def test_other_counties_are_refused(server: RegistrationServer) -> None:
    """A county outside of the session is refused by its code."""
    candidate = await new_candidate(server)
    refused = await candidate.refused(update_request(personal_data(county_code="110101")))
    assert (refused.reason, refused.metadata["county_code"]) == ("COUNTY_UNKNOWN", "110101")


@pytest.mark.parametrize("name", ["𰻝𬭎", "𬱖\U0002cc56\U00031350\U000323af", "阿依古丽·买买提"])
async def test_names_are_kept_exactly(server: RegistrationServer, name: str) -> None:
    """Rare characters of every extension come back as they were written."""
    candidate = await new_candidate(server)
    answer = await candidate.call(update_request(personal_data(name=name)))
    assert answer.registration.personal.name == name
    assert (await candidate.call(GET)).registration == answer.registration


async def test_private_characters_are_refused(server: RegistrationServer) -> None:
    """A character that no font has is named before a ticket has to be printed with it."""
    candidate = await new_candidate(server)
    refused = await candidate.refused(update_request(personal_data(name="甲\ue864")))
    assert refused.reason == "INVALID_REQUEST"
    assert "U+E864" in refused.fields[0].description


async def test_missing_fields_are_all_listed(server: RegistrationServer) -> None:
    """An empty draft is not handed in; the answer names all that is missing, the photo too."""
    candidate = await new_candidate(server)
    refused = await candidate.refused(submit_request())
    assert refused.reason == "REGISTRATION_INCOMPLETE"
    assert [problem.field for problem in refused.fields] == [
        "personal.name",
        "personal.sex",
        "personal.ethnicity_code",
        "personal.birth_date",
        "personal.county_code",
        "personal.track",
        "personal.major_code",
        "personal.mobile",
        "photo",
    ]
    assert await state_of(candidate) == "DRAFT"


async def test_disagreement_with_the_document_is_listed(server: RegistrationServer) -> None:
    """Sex and birth date must be those of the number."""
    candidate = await new_candidate(server)
    await complete(candidate, sex=types.SEX_FEMALE, birth_date="1991-12-30")
    refused = await candidate.refused(submit_request())
    assert refused.reason == "REGISTRATION_INCOMPLETE"
    assert [problem.field for problem in refused.fields] == ["personal.birth_date", "personal.sex"]


async def test_pending_is_not_edited(server: RegistrationServer) -> None:
    """While an office reviews the candidate changes nothing, but may bring material."""
    candidate, _ = await pending_candidate(server)
    for request in (update_request(personal_data()), photo_request(photo()), submit_request()):
        assert (await candidate.refused(request)).reason == "STATE_NOT_ALLOWED"
    await candidate.call(material_request(material()))


async def test_drafts_are_written_in_the_window(server: RegistrationServer) -> None:
    """The last instant counts; from the closing on a draft is neither written nor handed in."""
    await server.move_clock(CLOSES - timedelta(minutes=10))
    candidate = await new_candidate(server)
    await complete(candidate)
    await server.move_clock(CLOSES)
    for request in (update_request(personal_data()), photo_request(photo()), submit_request()):
        # The worker may have been faster.
        reason = (await candidate.refused(request)).reason
        assert reason in {"REGISTRATION_CLOSED", "STATE_NOT_ALLOWED"}
    await until_state(candidate, "ABANDONED")


async def test_draft_is_abandoned_at_its_deadline(server: RegistrationServer) -> None:
    """Nobody does it: the clock alone; and it is audited with the state it had."""
    await new_candidate(server)
    candidate = await late(server, 1, CLOSES - timedelta(minutes=1))
    await until_looked(server)
    assert await state_of(candidate) == "DRAFT"
    await server.move_clock(CLOSES)
    await until_state(candidate, "ABANDONED")
    (row,) = await server.rows(
        "SELECT actor, before, after FROM registration.audit WHERE action = 'abandon_registration'"
    )
    assert tuple(row) == ("deadlines", '{"state": "draft"}', '{"state": "abandoned"}')
    assert (await candidate.refused(submit_request())).reason == "STATE_NOT_ALLOWED"


async def late(server: RegistrationServer, candidate_number: int, at: datetime) -> Caller:
    """Log in anew at a later time: the token of before has expired."""
    await server.move_clock(at)
    return await log_in(server, document_number(candidate_number))


async def test_pending_without_material_fails(server: RegistrationServer) -> None:
    """At the material deadline who brought none fails; who did stays pending."""
    bare = await new_candidate(server, 1)
    await bare.call(update_request(personal_data()))
    await bare.call(photo_request(photo()))
    await bare.call(submit_request())
    await pending_candidate(server, 2)
    bare = await late(server, 1, MATERIAL_CLOSES - timedelta(minutes=5))
    await until_looked(server)
    assert await state_of(bare) == "PENDING_REVIEW"
    await server.move_clock(MATERIAL_CLOSES)
    await until_state(bare, "ABANDONED")
    await until_looked(server)
    assert await state_of(await late(server, 2, MATERIAL_CLOSES)) == "PENDING_REVIEW"


async def test_material_ends_with_its_deadline(server: RegistrationServer) -> None:
    """After the deadline no material is taken while the registration is pending."""
    await pending_candidate(server)
    candidate = await late(server, 1, MATERIAL_CLOSES)
    refused = await candidate.refused(material_request(material()))
    assert refused.reason == "CORRECTION_CLOSED"
    assert refused.metadata["closes_at"] == MATERIAL_CLOSES.isoformat()


async def rejected_candidate(server: RegistrationServer, *, with_material: bool) -> None:
    """Candidate 1, rejected."""
    candidate = await new_candidate(server)
    await candidate.call(update_request(personal_data()))
    await candidate.call(photo_request(photo()))
    if with_material:
        await candidate.call(material_request(material()))
    answer = await candidate.call(submit_request())
    officer = await new_officer(server)
    await officer.call(lease_request())
    await officer.call(rejection(answer.registration.candidate_id))


async def test_rejected_is_corrected_until_the_reviews_end(server: RegistrationServer) -> None:
    """Long after the window a rejected registration is corrected; at the deadline it ends."""
    await rejected_candidate(server, with_material=True)
    candidate = await late(server, 1, REVIEW_CLOSES - timedelta(minutes=5))
    await candidate.call(update_request(personal_data(name="改正")))
    await candidate.call(photo_request(photo(2)))
    await candidate.call(submit_request())
    assert await state_of(candidate) == "PENDING_REVIEW"


async def test_rejected_is_abandoned_when_the_reviews_end(server: RegistrationServer) -> None:
    """Who corrects nothing is out."""
    await rejected_candidate(server, with_material=True)
    candidate = await late(server, 1, REVIEW_CLOSES - timedelta(minutes=5))
    await until_looked(server)
    assert await state_of(candidate) == "REJECTED"
    await server.move_clock(REVIEW_CLOSES)
    await until_state(candidate, "ABANDONED")


async def test_late_correction_needs_material(server: RegistrationServer) -> None:
    """After the material deadline a correction without material would fail at once: it is told."""
    await rejected_candidate(server, with_material=False)
    candidate = await late(server, 1, MATERIAL_CLOSES)
    refused = await candidate.refused(submit_request())
    assert [problem.field for problem in refused.fields] == ["identity_material"]
    await candidate.call(material_request(material()))
    await candidate.call(submit_request())
    assert await state_of(candidate) == "PENDING_REVIEW"


async def test_new_material_ends_a_lease(server: RegistrationServer) -> None:
    """An officer who saw the old material does not decide on the new."""
    candidate, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)
    await officer.call(lease_request())
    await candidate.call(material_request(material()))
    assert (await officer.refused(approval(candidate_id))).reason == "LEASE_LOST"
    await officer.call(lease_request())
    assert (await officer.call(approval(candidate_id))).ticket_number


@pytest.mark.parametrize(
    ("jpeg", "detail"),
    [
        (b"not a picture", "不是完整的JPEG文件"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 100, "不是完整的JPEG文件"),
        (picture((120, 160), LIGHT_BLUE), "至少240×320像素，上传的为120×160"),
        (picture((640, 640), LIGHT_BLUE), "宽高比应为3:4"),
        (picture((480, 640), (255, 255, 255)), "背景应为浅蓝色"),
        (picture((480, 640), LIGHT_BLUE), "照片过于模糊或内容过少"),
    ],
)
async def test_photos_are_refused(server: RegistrationServer, jpeg: bytes, detail: str) -> None:
    """Each rule of photos says what it wants, and nothing is stored."""
    candidate = await new_candidate(server)
    refused = await candidate.refused(photo_request(jpeg))
    assert (refused.reason, refused.metadata["detail"]) == ("PHOTO_REFUSED", detail)
    assert (await candidate.call(GET)).registration.photo_sha256 == b""


async def test_closed_windows_decode_nothing(server: RegistrationServer) -> None:
    """State and window are looked at before a picture is; what was answered is answered again."""
    candidate = await new_candidate(server)
    await complete(candidate)
    stored = material_request(material())
    first = await candidate.call(stored)
    damaged = photo_request(photo()[:5000])
    assert (await candidate.refused(damaged)).reason == "PHOTO_REFUSED"
    await candidate.call(submit_request())
    assert (await candidate.refused(damaged)).reason == "STATE_NOT_ALLOWED"
    late_candidate = await late(server, 1, MATERIAL_CLOSES)
    damaged_material = material_request(material()[:5000])
    assert (await late_candidate.refused(damaged_material)).reason == "CORRECTION_CLOSED"
    assert await late_candidate.call(stored) == first


async def test_damaged_material_is_refused(server: RegistrationServer) -> None:
    """Half a file is no material."""
    candidate = await new_candidate(server)
    refused = await candidate.refused(material_request(material()[:5000]))
    assert refused.reason == "MATERIAL_REFUSED"
    assert not (await candidate.call(GET)).registration.has_identity_material


async def test_big_files_arrive(server: RegistrationServer) -> None:
    """A file of more than 4 MiB, gRPC's own limit, is taken, and kept so small that it fits.

    One above 5 MB is refused.
    """
    candidate = await new_candidate(server)
    big = picture((2400, 2000), LIGHT_BLUE, noise=True)
    assert 4 * 2**20 < len(big) < 5 * 2**20
    await candidate.call(material_request(big))
    (kept,) = await server.rows("SELECT octet_length(jpeg_enc) FROM registration.identity_material")
    assert 2**20 < kept[0] < 3 * 2**20 + 100
    too_big = await candidate.refused(material_request(big + b"0" * 2**20))
    assert too_big.reason == "INVALID_REQUEST"
