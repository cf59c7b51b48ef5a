"""A county of many candidates, written straight into the projections of the tickets service."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from uuid import UUID

from PIL import Image
from support.tickets_database import CLOSED, COUNTY, SESSION
from zikao_kit.config import DatabaseConfig
from zikao_kit.crypto import KeyRing
from zikao_kit.migrate import open_database
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets.domain.layout import RoomPlan
from zikao_tickets.domain.person import Person
from zikao_tickets.domain.projections import CandidateState, EnrollmentState, Photo
from zikao_tickets.domain.session import Site
from zikao_tickets.names import PACKAGE
from zikao_tickets.stores.feeds import FeedStore

Courses = Sequence[tuple[int, str]]
"""Slot and course code."""

ROOM_SEATS = 30
FACES = 12
ROWS_A_TRANSACTION = 500
SURNAMES, GIVEN = "赵钱孙李周吴郑王冯陈褚卫", "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华"


def person_of(number: int) -> UUID:
    """The id of a candidate, from 1."""
    return UUID(int=number)


def name_of(number: int) -> str:
    """A name; many share none of its characters."""
    first, second = divmod(number, len(GIVEN))
    return SURNAMES[number % len(SURNAMES)] + GIVEN[second] + GIVEN[first % len(GIVEN)]


@lru_cache(maxsize=1)
def _faces() -> list[Image.Image]:
    sexes = ("女", "男")
    return [Image.open(BytesIO(portrait_jpeg(face, sexes[face % 2]))) for face in range(FACES)]


def photo_of(number: int) -> bytes:
    """A photo unlike all others: a made-up face with a shade and a mark of its own."""
    return _varied(_faces()[number % FACES], number)


def _varied(face: Image.Image, number: int) -> bytes:
    shade = 0.9 + (number // FACES % 200) / 1000
    picture = face.point(lambda level: min(255, int(level * shade)))
    colour = (number % 256, number // 256 % 256, 128)
    picture.paste(colour, (number % 200, number // 200 % 100, number % 200 + 8, 108))
    out = BytesIO()
    picture.save(out, "JPEG", quality=88)
    return out.getvalue()


def site_for(candidates: int) -> Site:
    """A site with rooms for them all."""
    rooms = tuple(
        RoomPlan(f"{room:03}", 5, 6) for room in range(1, -(-candidates // ROOM_SEATS) + 1)
    )
    return Site("A", COUNTY, "锦江区", "成都市第十七中学", "通盈街368号", rooms)


async def seed_candidates(
    dsn: str, key_ring: KeyRing, candidates: int, courses: Courses = ((1, "00015"),)
) -> None:
    """Candidates with photos, and with the first courses: one, two and so on, by turns."""
    async with open_database(DatabaseConfig(dsn=dsn), PACKAGE) as db:
        for start in range(1, candidates + 1, ROWS_A_TRANSACTION):
            numbers = range(start, min(start + ROWS_A_TRANSACTION, candidates + 1))
            part = [(number, photo_of(number)) for number in numbers]
            people = [_candidate(number, jpeg) for number, jpeg in part]
            sittings = [
                EnrollmentState(
                    SESSION.code,
                    person_of(number),
                    COUNTY,
                    tuple(courses[: 1 + number % len(courses)]),
                )
                for number, _ in part
            ]
            pictures = {
                person_of(number): Photo(hashlib.sha256(jpeg).digest(), jpeg)
                for number, jpeg in part
            }
            async with db.transaction() as tx:
                store = FeedStore(tx, key_ring)
                await store.save_candidates(people)
                await store.replace_sittings(sittings)
                await store.save_photos(pictures, CLOSED)


def _candidate(number: int, jpeg: bytes) -> CandidateState:
    person = Person(name_of(number), "男", "513101198201130014")
    digest = hashlib.sha256(jpeg).digest()
    return CandidateState(person_of(number), f"0104221{number:05}", digest, person)
