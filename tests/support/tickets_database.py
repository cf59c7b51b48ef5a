"""A tickets database of its own, and a small county to fill it with, in real transactions."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from support.clocks import FixedClock
from support.service_databases import MakeDatabase
from zikao_kit.config import DatabaseConfig
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database, Record
from zikao_kit.migrate import open_database
from zikao_kit.queries import Queries
from zikao_kit.tokens import Actor
from zikao_tickets.commands.apply_session import apply_session
from zikao_tickets.commands.find_arrangement import find_arrangement
from zikao_tickets.commands.publish_arrangements import publish_arrangements
from zikao_tickets.commands.start_arrangement import Starting, start_arrangement
from zikao_tickets.domain.layout import RoomPlan
from zikao_tickets.domain.office_acts import Order, Proposal
from zikao_tickets.domain.person import Person
from zikao_tickets.domain.projections import CandidateState, EnrollmentState, Photo
from zikao_tickets.domain.publication import Publishable, PublishArrangements
from zikao_tickets.domain.session import Notice, Session, Site, Slot
from zikao_tickets.domain.states import Arrangement
from zikao_tickets.names import ENROLLMENTS, PACKAGE
from zikao_tickets.solving.pool import SolvePool
from zikao_tickets.store import OfficeStore
from zikao_tickets.stores.arrangements import ArrangementStore, Lease
from zikao_tickets.stores.arranging import ArrangingStores
from zikao_tickets.stores.feeds import FeedStore
from zikao_tickets.stores.offices import office_audit
from zikao_tickets.workers.arranging import ArrangementWorker

KEYS = KeyRing.generate()
POOL = SolvePool(1)
COUNTY = "510104"
CLOSED = datetime(2022, 3, 3, 9, tzinfo=UTC)
MORNING = datetime(2022, 4, 16, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OFFICER = Actor(subject="officer", role="county_officer", scope=COUNTY)
OPERATOR = Actor(subject="operator", role="service")
DOCUMENT_NUMBER = "513101198201130014"
SESSION = Session(
    code="22.1",
    name="2022年4月高等教育自学考试",
    time_zone="Asia/Shanghai",
    arrangements_open_at=CLOSED,
    printing_opens_at=datetime(2022, 4, 11, 1, tzinfo=UTC),
    printing_closes_at=datetime(2022, 4, 17, 6, 45, tzinfo=UTC),
    slots=(Slot(1, MORNING, MORNING + timedelta(hours=2.5)),),
    courses={"00015": "英语（二）"},
    notice=Notice(1, ("凭证件入场。",)),
)
SITE = Site("A", COUNTY, "锦江区", "第十七中学", "通盈街368号", (RoomPlan("001", 5, 6),))


@asynccontextmanager
async def tickets_database(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """A database with the schema, as the service has it."""
    async with open_database(DatabaseConfig(dsn=await make_database("tickets")), PACKAGE) as db:
        yield db


async def sql(db: Database, statement: str, *args: Any) -> list[Record]:
    """Run a statement behind the service's back."""
    async with db.transaction() as tx:
        return await tx.using(Queries("test", {"statement": statement})).fetch("statement", *args)


async def apply(
    db: Database, session: Session = SESSION, sites: Sequence[Site] = (SITE,), *, dry: bool = False
) -> list[str]:
    """Apply a session; what changed."""
    async with db.transaction() as tx:
        return await apply_session(
            OfficeStore(tx, {}),
            session,
            sites,
            course_codes=list(session.courses),
            actor=OPERATOR,
            dry_run=dry,
            now=CLOSED,
        )


async def enroll(
    db: Database,
    candidate_id: UUID,
    course: str = "00015",
    name: str = "张三",
    jpeg: bytes = b"",
    *,
    county: str = COUNTY,
) -> None:
    """What the two feeds bring for one candidate."""
    person = Person(name, "男", DOCUMENT_NUMBER)
    digest = hashlib.sha256(jpeg).digest()
    candidate = CandidateState(candidate_id, number_of(candidate_id), digest, person)
    async with db.transaction() as tx:
        store = FeedStore(tx, KEYS)
        await store.save_candidates([candidate])
        await store.replace_sittings(
            [EnrollmentState(SESSION.code, candidate_id, county, ((1, course),))]
        )


async def bring_photo(db: Database, candidate_id: UUID, jpeg: bytes) -> None:
    """What the photo fetch brings for one candidate."""
    photo = Photo(hashlib.sha256(jpeg).digest(), jpeg)
    async with db.transaction() as tx:
        await FeedStore(tx, KEYS).save_photos({candidate_id: photo}, CLOSED)


def number_of(candidate_id: UUID) -> str:
    """The ticket number of a test's candidate."""
    return f"0104221{candidate_id.int:05}"


async def everything_has_come(db: Database) -> None:
    """Note that the enrollment feed has brought all there is now."""
    await sql(
        db,
        "INSERT INTO tickets.feed_cursor (source, cursor, as_of) VALUES ($1, '', clock_timestamp())"
        " ON CONFLICT (source) DO UPDATE SET as_of = excluded.as_of",
        ENROLLMENTS,
    )


async def start(
    db: Database, now: datetime = CLOSED, *, anew: bool = False, county: str = COUNTY
) -> Arrangement:
    """Start a county's arrangement."""
    async with db.transaction() as tx:
        stores = ArrangementStore(tx), office_audit(tx)
        by = Starting(*stores, KEYS, OFFICER, now)
        return await start_arrangement(by, SESSION, county, anew=anew)


def worker(db: Database, lease: timedelta = MINUTE) -> ArrangementWorker:
    """Who does the work of arrangements."""
    return ArrangementWorker(db, KEYS, FixedClock(CLOSED), POOL, lease)


async def lease(db: Database) -> Lease | None:
    """Take the next arrangement, as a worker does."""
    async with db.transaction() as tx:
        return await ArrangementStore(tx).lease(ENROLLMENTS, MINUTE)


async def arranged(db: Database, *, anew: bool = False, county: str = COUNTY) -> Arrangement:
    """Start an arrangement and do its work."""
    await start(db, anew=anew, county=county)
    await everything_has_come(db)
    leased = await lease(db)
    assert leased is not None
    await worker(db).arrange(leased)
    return await found(db, leased.arrangement_id, OPERATOR)


async def found(db: Database, arrangement_id: UUID, actor: Actor = OFFICER) -> Arrangement:
    """An arrangement as an officer sees it."""
    async with db.read() as tx:
        return await find_arrangement(ArrangementStore(tx), arrangement_id, actor)


async def publish(
    db: Database, arrangement: Arrangement, *, above_bound: bool = False
) -> Arrangement:
    """Publish as the county's officer."""
    proposed = Publishable(arrangement.arrangement_id, arrangement.seats_sha256)
    act = PublishArrangements((proposed,), above_bound)
    proposal = Proposal(SESSION.code, arrangement.county_code, act)
    order = Order(proposal, OFFICER.subject, CLOSED, dry_run=False)
    async with db.transaction() as tx:
        await publish_arrangements(ArrangingStores.of(tx), order)
    return await found(db, arrangement.arrangement_id, OPERATOR)
