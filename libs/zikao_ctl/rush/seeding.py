"""Candidates by the thousand, stored as registration itself stores those of the old system.

They are approved, have accounts (one password for all), numbers that the old system gave out, and
are in the feed: enrollment and tickets learn of them as of all others. Every rule of
`zikao_ctl.invariants` holds for them.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import islice

import asyncpg
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from zikao_kit.config import DatabaseConfig
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database
from zikao_kit.queries import Queries
from zikao_registration.commands.admit_older import take_photo
from zikao_registration.domain.documents import Document, DocumentType, Sex
from zikao_registration.domain.older_records import Photo
from zikao_registration.domain.personal import PersonalData, Track
from zikao_registration.domain.registration import Registration
from zikao_registration.domain.states import State
from zikao_registration.names import PACKAGE
from zikao_registration.stores.accounts import AccountStore, StoredSigningKey
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.registrations import Store
from zikao_sandbox.portraits import portrait_jpeg

from zikao_ctl.installation import Installation
from zikao_ctl.rush.people import Candidate
from zikao_ctl.secret_files import SecretFiles

PASSWORD = "rehearsal-of-an-opening"  # noqa: S105 - of people who are made up
AT_ONCE = 2_000
SETTLE_SECONDS = 180.0
_POLL_SECONDS = 0.25
_MAJOR = {"social": "120203K", "applied": "630302"}
_KNOWN = """SELECT least(
    (SELECT count(*) FROM enrollment.candidate), (SELECT count(*) FROM tickets.candidate)
)"""
_PLANS = """INSERT INTO enrollment.plan
SELECT $1, planned.candidate_id, string_to_array(planned.courses, ','),
    string_to_array(planned.counties, ','), true, $5
FROM unnest($2::uuid[], $3::text[], $4::text[]) AS planned (candidate_id, courses, counties)"""
_ANALYSED = ("registration.candidate", "registration.account", "enrollment.candidate")


class SeedingFailed(Exception):  # noqa: N818 - it is what happened
    """The services do not know everybody after a long time."""


async def seed_candidates(
    installation: Installation,
    candidates: Sequence[Candidate],
    track: str,
    now: datetime,
    *,
    photographed: int = 0,
) -> None:
    """Store them all, and wait until the feeds have brought them to all services.

    The first `photographed` ones have a photo: who has none may not log in. Raises SeedingFailed
    when that takes more than SETTLE_SECONDS.
    """
    password_hash, photo = PasswordHasher().hash(PASSWORD), _photo()
    async with _registration(installation) as (db, keys):
        waiting = iter(candidates)
        while some := list(islice(waiting, AT_ONCE)):
            people = [_registered(each, track, now) for each in some]
            async with db.transaction() as tx:
                accounts, store = AccountStore(tx, keys), Store(tx, keys)
                older = OlderStore(tx, keys)
                documents = {each.candidate_id: each.document for each in people}
                await accounts.insert_candidates(documents, password_hash, now)
                numbers = {each.ticket_number: each.candidate_id for each in people}
                await older.enter_numbers(numbers, now)
                await store.insert_admitted(people)
                await older.activate(numbers, now)
                with_photos = some[: max(0, photographed - some[0].number)]
                for place in range(len(with_photos)):
                    people[place] = await take_photo(store, people[place], photo)
                await store.publish(*people)
    await _until_known(installation.admin_dsn, len(candidates))


async def seed_plans(
    installation: Installation, candidates: Sequence[Candidate], session_code: str, now: datetime
) -> None:
    """Store plans as saved in the days before the opening."""
    connection = await asyncpg.connect(installation.dsn("enrollment"))
    try:
        await connection.execute(
            _PLANS,
            session_code,
            [each.candidate_id for each in candidates],
            [",".join(each.course_codes) for each in candidates],
            [",".join(each.county_codes) for each in candidates],
            now,
        )
    finally:
        await connection.close()


async def signing_key(installation: Installation) -> tuple[str, Ed25519PrivateKey]:
    """The key of access tokens with its id, opened with the installation's own key ring.

    A hundred thousand logins would take an hour of computing: tokens are made instead.
    """
    async with _registration(installation) as (db, keys), db.transaction() as tx:
        newest: StoredSigningKey = (await AccountStore(tx, keys).list_signing_keys())[0]
    return newest.key_id, Ed25519PrivateKey.from_private_bytes(newest.private_key)


@asynccontextmanager
async def _registration(installation: Installation) -> AsyncIterator[tuple[Database, KeyRing]]:
    ring = SecretFiles(installation.layout.secrets).key_ring_file("registration")
    config = DatabaseConfig(dsn=installation.dsn("registration"))
    async with await Database.connect(config, Queries.load(PACKAGE)) as db:
        yield db, KeyRing.from_file(ring)


def _photo() -> Photo:
    jpeg = portrait_jpeg(0, "男")
    return Photo(jpeg, hashlib.sha256(jpeg).digest())


def _registered(candidate: Candidate, track: str, now: datetime) -> Registration:
    return Registration(
        candidate_id=candidate.candidate_id,
        session_code="",
        state=State.APPROVED,
        document=Document(DocumentType.RESIDENT_ID, candidate.document_number),
        personal=PersonalData(
            name=candidate.name,
            sex=Sex.MALE,
            ethnicity_code="01",
            birth_date=f"{candidate.birth_date:%Y-%m-%d}",
            county_code=candidate.county_codes[0],
            track=Track(track),
            major_code=_MAJOR[track],
            mobile=f"170{candidate.number:08}",
        ),
        updated_at=now,
        ticket_number=candidate.ticket_number,
    )


async def _until_known(admin_dsn: str, count: int) -> None:
    connection = await asyncpg.connect(admin_dsn)
    try:
        until = time.monotonic() + SETTLE_SECONDS
        while await connection.fetchval(_KNOWN) < count:
            if time.monotonic() > until:
                raise SeedingFailed(f"not every service has learned of all {count} candidates")
            await asyncio.sleep(_POLL_SECONDS)
        for table in _ANALYSED:
            await connection.execute(f"VACUUM ANALYZE {table}")
    finally:
        await connection.close()
