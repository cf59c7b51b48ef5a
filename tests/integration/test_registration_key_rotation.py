"""The key of personal data is rotated while registration serves."""

from pathlib import Path

from support.registration_people import (
    NAME,
    apply_session,
    lease_request,
    new_candidate,
    new_officer,
    pending_candidate,
    personal_data,
    update_request,
)
from support.registration_records import approved_candidate, published
from support.registration_server import registration_server
from support.service_databases import MakeDatabase
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import review_service_pb2 as review
from zikao_kit.crypto import KeyRing
from zikao_kit.reencryption import count_by_key, reencrypt
from zikao_registration.sealed_columns import SEALED

# What this test's people leave in the database.
EXERCISED = {
    "registration.signing_key.private_key_enc",
    "registration.account.login_name_enc",
    "registration.candidate.personal_enc",
    "registration.photo.jpeg_enc",
    "registration.identity_material.jpeg_enc",
    "registration.outbox.payload",
    "registration.idempotency.response",
}


async def test_nobody_notices(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Everything under a new key, without a restart: data, pictures, the feed, first answers."""
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path) as server:
        await apply_session(server)
        officer = await new_officer(server)
        _, approved = await approved_candidate(server, officer)
        candidate = await new_candidate(server, 2)
        request = update_request(personal_data())
        first = await candidate.call(request)
        _, pending = await pending_candidate(server, 3)
        await officer.call(lease_request())
        before = await published(server, approved)

        key_file = tmp_path / "keys.yaml"
        new = KeyRing.from_file(key_file).with_new_key().using("k2")
        key_file.unlink()
        new.write(key_file)
        await reencrypt(dsn, new, SEALED, lambda _: None)
        new = new.without("k1")
        key_file.unlink()
        new.write(key_file)

        counts = await count_by_key(dsn, SEALED)
        assert set(counts) == {"k2"}
        assert {str(column) for column in counts["k2"]} >= EXERCISED
        assert await published(server, approved) == before
        assert await candidate.call(request) == first
        own = await candidate.call(registration.GetRegistrationRequest())
        assert own.registration.personal.name == NAME
        seen = await officer.call(review.GetReviewMaterialRequest(candidate_id=pending))
        assert (seen.photo_jpeg[:2], seen.identity_material_jpeg[:2]) == (b"\xff\xd8", b"\xff\xd8")
        await pending_candidate(server, 4)
        assert set(await count_by_key(dsn, SEALED)) == {"k2"}
