"""A province of candidates for bench_enrollment, with tokens and requests made before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID, uuid4

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import portal_service_pb2 as portal
from zikao_enrollment.commands.apply_session import apply_session
from zikao_enrollment.domain.timetable import County, Course, Session, Slot, Track, Window
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.stores.sessions import SessionStore
from zikao_kit.clock import SystemClock
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.queries import Queries
from zikao_kit.tokens import TokenIssuer

SESSION_CODE = "22.1"
COUNTIES = 183
PLENTY = 1_000_000
HOT_COUNTY, SOLD_OUT_COUNTY = "510104", "519999"
COURSES = ("00001", "00003")
ITEMS_A_MESSAGE = 200
_KEY_ID = "bench"
_CANDIDATES = """INSERT INTO enrollment.candidate
SELECT lpad(to_hex(number), 32, '0')::uuid, 'social', 'active', ''
FROM generate_series(1, $1::integer) AS number"""


@dataclass(frozen=True)
class Person:
    """A candidate with a token, and requests that have not been sent."""

    candidate_id: str
    token: str

    def submission(self, county_code: str) -> bytes:
        """A request for two slots in a county."""
        return self.request(county_code, SESSION_CODE).SerializeToString()

    def request(self, county_code: str, session_code: str) -> enrollment.SubmitEnrollmentRequest:
        """The same as message."""
        return enrollment.SubmitEnrollmentRequest(
            request_id=str(uuid4()),
            session_code=session_code,
            choice=enrollment.EnrollmentChoice(course_codes=COURSES, county_codes=[county_code]),
        )


@dataclass
class Candidates:
    """Candidates who have not submitted yet."""

    people: Iterator[Person]
    counties: Sequence[str]

    def take(self, count: int) -> list[Person]:
        """The next ones."""
        return list(islice(self.people, count))

    def messages(self, people: Iterable[Person], session_code: str = SESSION_CODE) -> list[bytes]:
        """Messages of a stream, all for the hot county."""
        submissions = [
            portal.Submission(
                access_token=person.token, enrollment=person.request(HOT_COUNTY, session_code)
            )
            for person in people
        ]
        return [
            portal.SubmitEnrollmentsRequest(
                submissions=submissions[begin : begin + ITEMS_A_MESSAGE]
            ).SerializeToString()
            for begin in range(0, len(submissions), ITEMS_A_MESSAGE)
        ]


async def prepare(dsn: str, candidates: int) -> Candidates:
    """Store a session, candidates and the key of their tokens."""
    session = bench_session()
    await store(dsn, session)
    people = await people_of(dsn, candidates)
    counties = [county.code for county in session.counties if county.code != SOLD_OUT_COUNTY]
    return Candidates(people, counties)


async def people_of(dsn: str, candidates: int) -> Iterator[Person]:
    """Store candidates and the key of their tokens, which are made as one asks for the people."""
    key = Ed25519PrivateKey.generate()
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_CANDIDATES, candidates)
        await connection.execute(
            "INSERT INTO enrollment.trusted_key VALUES ($1, $2)",
            _KEY_ID,
            key.public_key().public_bytes_raw(),
        )
        await connection.execute("VACUUM ANALYZE enrollment.candidate")
    finally:
        await connection.close()
    return _people(key, candidates)


async def store(dsn: str, session: Session) -> None:
    """Apply a session."""
    async with (
        await Database.connect(DatabaseConfig(dsn=dsn), Queries.load(PACKAGE)) as db,
        db.transaction() as tx,
    ):
        await apply_session(SessionStore(tx), session, dry_run=False, now=datetime.now(UTC))


def _people(key: Ed25519PrivateKey, candidates: int) -> Iterator[Person]:
    issuer = TokenIssuer(_KEY_ID, key, SystemClock(), timedelta(hours=2))
    for number in range(1, candidates + 1):
        candidate_id = str(UUID(int=number))
        login = str(uuid4())
        token = issuer.issue(candidate_id, "candidate", login_id=login, party="portal").token
        yield Person(candidate_id, token)


def bench_session() -> Session:
    """183 counties with plenty of seats in 4 slots, and one with none."""
    session = plain_session(SESSION_CODE, COUNTIES)
    full = County(SOLD_OUT_COUNTY, "满员县", (0,) * 4)
    return replace(session, counties=(*session.counties, full))


def plain_session(code: str, counties: int) -> Session:
    """So many counties with plenty of seats in 4 slots."""
    now, day = datetime.now(UTC), timedelta(days=1)
    slots = tuple(
        Slot(number, now + 30 * day + number * day / 4, now + 30 * day + number * day / 4 + day / 8)
        for number in range(1, 5)
    )
    courses = tuple(
        Course(f"{number:05}", f"课程{number}", (number - 1) // 2 + 1, frozenset(Track))
        for number in range(1, 9)
    )
    codes = [HOT_COUNTY, *(f"51{number:04}" for number in range(5000, 5000 + counties - 1))]
    return Session(
        code=code,
        name="测试考次",
        slots=slots,
        courses=courses,
        windows=(Window(Track.SOCIAL, now - day, now + day),),
        counties=tuple(County(code, code, (PLENTY,) * 4) for code in codes),
        fee_fen=3500,
        max_courses=4,
        hold=timedelta(hours=12),
    )
