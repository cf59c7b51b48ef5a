"""Pending registrations by the thousand, stored without their candidates' calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from zikao_kit.config import DatabaseConfig
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database
from zikao_kit.queries import Queries
from zikao_registration.domain.accounts import Account
from zikao_registration.domain.documents import Document, DocumentType, Sex, check_character
from zikao_registration.domain.personal import PersonalData, Track
from zikao_registration.domain.registration import Registration
from zikao_registration.domain.states import State
from zikao_registration.names import PACKAGE
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.registrations import Store


async def seed_pending(
    dsn: str,
    keys: KeyRing,
    count: int,
    *,
    session_code: str,
    county_code: str,
    submitted_at: datetime,
    state: State = State.PENDING_REVIEW,
    password_hash: str = "no password",
) -> Sequence[UUID]:
    """Candidates whose registrations wait, a second after each other; their ids in that order.

    They have neither photo nor material.
    """
    db = await Database.connect(DatabaseConfig(dsn=dsn), Queries.load(PACKAGE))
    async with db, db.transaction() as tx:
        accounts, store = AccountStore(tx, keys), Store(tx, keys)
        people = [
            _person(number, session_code, county_code, submitted_at) for number in range(count)
        ]
        for person in people:
            account = Account(person.candidate_id, password_hash, "candidate", "")
            number, at = person.document.number, person.updated_at
            await accounts.insert_account(account, number, person.document, at)
            await store.insert_draft(person)
            if state is not State.DRAFT:
                await store.update_registration(replace(person, state=state, submitted_at=at))
        return [person.candidate_id for person in people]


def seeded_number(number: int, county_code: str) -> str:
    """The document number of a candidate by the order of seeding."""
    first = f"{county_code}{_born(number):%Y%m%d}{number % 500 * 2 + 1:03}"
    return first + check_character(first)


def _born(number: int) -> datetime:
    return datetime(1980, 1, 1) + timedelta(days=number // 500)  # noqa: DTZ001 - a date


def _person(
    number: int, session_code: str, county_code: str, submitted_at: datetime
) -> Registration:
    """Number 0 to 9,999,999: a birth date a day and a sequence number make them different."""
    born = _born(number)
    return Registration(
        candidate_id=uuid4(),
        session_code=session_code,
        state=State.DRAFT,
        document=Document(DocumentType.RESIDENT_ID, seeded_number(number, county_code)),
        personal=PersonalData(
            name=f"考生{number}",
            sex=Sex.MALE,
            ethnicity_code="01",
            birth_date=f"{born:%Y-%m-%d}",
            county_code=county_code,
            track=Track.SOCIAL,
            major_code="W020119",
            mobile="13812345678",
        ),
        updated_at=submitted_at + timedelta(seconds=number),
    )
