"""The audit's rules about versions of tickets find what breaks them."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from support.clocks import FixedClock
from support.service_databases import MakeDatabase
from support.tickets_database import (
    KEYS,
    SESSION,
    apply,
    arranged,
    enroll,
    publish,
    sql,
    tickets_database,
)
from zikao_kit.db import Database
from zikao_kit.queries import Queries
from zikao_tickets.commands.open_signer import open_signer
from zikao_tickets.domain.versions import Issue, TicketReason
from zikao_tickets.stores.proof_keys import ProofKeyStore
from zikao_tickets.stores.versions import VersionStore

ZHANG, LI = UUID(int=1), UUID(int=2)
NOW = SESSION.printing_opens_at
RULES = (
    "tickets_everybody_has_one_ticket",
    "tickets_show_the_seats_in_force",
    "tickets_versions_follow_each_other",
    "tickets_proofs_are_of_keys_that_count",
)
PRINTED = (
    "UPDATE tickets.ticket SET proof = 'ZK2:', personal_enc = '', photo_sha256 = '',"
    " proof_key_id = (SELECT key_id FROM tickets.proof_key) WHERE revoked_at IS NULL"
)
# What somebody with a mind and the database's password may do, and which rules say so.
FAULTS = {
    "UPDATE tickets.ticket SET revoked_at = now() WHERE candidate_id = $1 AND version = 2": {
        "tickets_everybody_has_one_ticket"
    },
    "UPDATE tickets.ticket SET version = 3 WHERE candidate_id = $1 AND version = 2": {
        "tickets_versions_follow_each_other"
    },
    "UPDATE tickets.proof_key SET retired_at = now() WHERE $1::uuid IS NOT NULL": {
        "tickets_proofs_are_of_keys_that_count"
    },
    "UPDATE tickets.ticket SET proof_key_id = 'k9' WHERE candidate_id = $1 AND version = 2": {
        "tickets_proofs_are_of_keys_that_count"
    },
}
OTHER_SEAT = (
    "INSERT INTO tickets.seat (arrangement_id, slot, session_code, site_code, room_code,"
    " seat_number, candidate_id, course_code) SELECT $1, slot, session_code, site_code, room_code,"
    " 30 - seat_number, candidate_id, course_code FROM tickets.seat WHERE arrangement_id <> $1"
)


@pytest.fixture
async def db(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """Two published seats; one ticket was issued again, and both are printed."""
    async with tickets_database(make_database) as database:
        await apply(database)
        for person in (ZHANG, LI):
            await enroll(database, person)
        await publish(database, await arranged(database))
        async with database.transaction() as tx:
            await open_signer(ProofKeyStore(tx, KEYS), FixedClock(NOW))
            await VersionStore(tx).issue_next(
                "22.1", [ZHANG], Issue(TicketReason.LOST), issued_by="officer", now=NOW
            )
        await sql(database, PRINTED)
        yield database


async def broken(db: Database) -> set[str]:
    """The rules that do not hold."""
    queries = Queries.load("zikao_ctl")
    found = set()
    async with db.read() as tx:
        for rule in RULES:
            if await tx.using(queries).fetch(rule):
                found.add(rule)
    return found


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_breaks_its_rule_and_no_other(db: Database, fault: str) -> None:
    """Versions, their order and the key of their proof: all hold, and then the one does not."""
    assert await broken(db) == set()
    await sql(db, fault, ZHANG)
    assert await broken(db) == FAULTS[fault]


async def test_a_ticket_with_other_seats_than_those_in_force_is_found(db: Database) -> None:
    """Another arrangement in force with the same seats is none, one with others is."""
    newer = await arranged(db)
    await sql(db, "UPDATE tickets.arrangement SET state = 'superseded' WHERE state = 'published'")
    await sql(
        db,
        "UPDATE tickets.arrangement SET state = 'published', published_at = now(),"
        " published_by = 'officer' WHERE arrangement_id = $1",
        newer.arrangement_id,
    )
    assert await broken(db) == set()
    await sql(db, "DELETE FROM tickets.seat WHERE arrangement_id = $1", newer.arrangement_id)
    await sql(db, OTHER_SEAT, newer.arrangement_id)
    assert await broken(db) == {"tickets_show_the_seats_in_force"}
