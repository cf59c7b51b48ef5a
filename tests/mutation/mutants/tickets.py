"""What keeps seats in rooms, draws and tickets right (tickets)."""

from mutation.mutant import Catch, Cut, Mutant

T = "services/tickets/zikao_tickets"
TESTS = "tests/integration/test_tickets"
ARRANGEMENT = f"{TESTS}_arrangement.py"

CHECKED = Cut(
    f"{T}/commands/publish_arrangement.py",
    "    if violations := await stores.seating.violations(arrangement.arrangement_id):\n"
    '        raise DomainError("ARRANGEMENT_INVALID", detail=in_words(violations))\n',
    "",
)

TICKETS = (
    Mutant(
        "arranging-leased",
        "A county is arranged by one process until its lease has passed",
        "Whoever asks gets it",
        "Every process solves the same county, and kills the others' work at the end",
        (
            Cut(
                f"{T}/sql/queries/arrangements.sql",
                "        OR (waiting.state = 'running'"
                " AND waiting.leased_until < clock_timestamp())\n",
                "        OR waiting.state = 'running'\n",
            ),
        ),
        (
            Catch(
                f"{ARRANGEMENT}::test_work_left_by_a_dead_process_is_taken_over",
                "assert Lease(arrangement_id=",
                "assert await lease(county) is None",
            ),
        ),
    ),
    Mutant(
        "arranging-lease-lost",
        "Whoever has lost the lease stores nothing",
        "What was made is stored, whoever works on it by now",
        "A process that slept overwrites the seats that another has stored",
        (
            Cut(
                f"{T}/commands/seat_arrangement.py",
                "        and arrangement.attempts == held.attempt\n",
                "",
            ),
        ),
        (
            Catch(
                f"{ARRANGEMENT}::test_work_left_by_a_dead_process_is_taken_over",
                "assert <ArrangementState.DONE: 'done'> is <ArrangementState.RUNNING: 'running'>",
            ),
        ),
    ),
    Mutant(
        "arranged-as-read",
        "Seats are stored only if roster and rooms are still those they were made for",
        "They are stored all the same",
        "Somebody who enrolled in the last minute has no seat",
        (
            Cut(
                f"{T}/commands/seat_arrangement.py",
                "    if now != material.sha256():\n        raise MaterialChanged\n",
                "",
            ),
        ),
        (
            Catch(
                f"{TESTS}_leases.py::test_people_who_come_meanwhile_are_arranged_too",
                "arrangement begins anew",
            ),
        ),
    ),
    Mutant(
        "checked-before-publication",
        "An independent checker looks at all seats before they are published",
        "It is not asked; the digest of the seats refuses still, and says less",
        "A fault of the arranging is found by the people at the door",
        (CHECKED,),
        (
            Catch(
                f"{ARRANGEMENT}::test_a_damaged_arrangement_is_not_published",
                "Actual message: 'ARRANGEMENT_CHANGED'",
            ),
        ),
    ),
    Mutant(
        "published-as-checked",
        "What is published are the very seats that were drawn and checked, by their digest",
        "The digest is not compared",
        "Seats that were changed by hand after the draw are published",
        (
            Cut(
                f"{T}/commands/publish_arrangement.py",
                "    if await stores.seating.seats_digest(arrangement.arrangement_id)"
                " != arrangement.seats_sha256:\n"
                '        raise DomainError("ARRANGEMENT_CHANGED")\n',
                "",
            ),
        ),
        (
            Catch(
                f"{TESTS}_operations.py::test_what_changed_since_it_was_proposed_is_not_published",
                "DID NOT RAISE AioRpcError",
                'assert (await city.refused(alone)).reason == "ARRANGEMENT_CHANGED"',
            ),
        ),
    ),
    Mutant(
        "checker-and-digest",
        "Checker and digest cover one another for seats that are lost after the draw",
        "Both are gone",
        "Tickets are issued for a county in which people have no seat",
        (
            Cut(
                f"{T}/commands/publish_arrangement.py",
                CHECKED.old + "    if unknown := await stores.publishing.unknown_candidates("
                "arrangement.arrangement_id):\n"
                '        raise DomainError("ARRANGEMENT_INVALID",'
                ' detail=f"{unknown}名考生信息尚未到达")\n'
                "    if await stores.seating.seats_digest(arrangement.arrangement_id)"
                " != arrangement.seats_sha256:\n"
                '        raise DomainError("ARRANGEMENT_CHANGED")\n',
                "",
            ),
        ),
        (
            Catch(
                f"{ARRANGEMENT}::test_a_damaged_arrangement_is_not_published",
                "DID NOT RAISE DomainError",
                'with pytest.raises(DomainError, match=r"ARRANGEMENT_INVALID',
            ),
        ),
    ),
    Mutant(
        "one-on-a-seat",
        "A key refuses a second person on a seat",
        "There is no key",
        "Two people before one table",
        (
            Cut(
                f"{T}/sql/migrations/0001_pre_create_schema.sql",
                "    PRIMARY KEY (arrangement_id, slot, site_code, room_code, seat_number),\n",
                "    CONSTRAINT seat_pkey CHECK (slot > 0),\n",
            ),
        ),
        (
            Catch(
                f"{TESTS}_checker.py::test_the_database_itself_refuses_it",
                "DID NOT RAISE UniqueViolationError",
            ),
        ),
    ),
    Mutant(
        "one-seat-a-slot",
        "A key refuses a person a second seat in a slot",
        "There is no key",
        "One room waits for whom another has",
        (
            Cut(
                f"{T}/sql/migrations/0018_pre_seat_keys.sql",
                "UNIQUE (candidate_id, arrangement_id, slot)",
                "CHECK (slot > 0)",
            ),
        ),
        (
            Catch(
                f"{TESTS}_checker.py::test_the_database_itself_refuses_it",
                "DID NOT RAISE UniqueViolationError",
            ),
        ),
    ),
    Mutant(
        "one-seed",
        "A unique index: whoever starts again on the same state draws with the same seed",
        "The index is not unique",
        "An office draws until it likes who sits where",
        (
            Cut(
                f"{T}/sql/migrations/0013_pre_one_seed.sql",
                "CREATE UNIQUE INDEX arrangement_seed ON tickets.arrangement\n"
                "    (session_code, county_code, seeded_on) NULLS NOT DISTINCT WHERE fixes_seed;\n",
                "CREATE INDEX arrangement_seed ON tickets.arrangement\n"
                "    (session_code, county_code, seeded_on) WHERE fixes_seed;\n",
            ),
        ),
        (
            Catch(
                f"{TESTS}_seeds.py::test_the_database_keeps_one_seed",
                "DID NOT RAISE ConstraintViolated",
            ),
        ),
    ),
    Mutant(
        "versions-in-turn",
        "Versions of a county's tickets are issued one after the other",
        "Two offices do it at once; the keys of tickets refuse one of them",
        "An office is told of a fault; without the keys two tickets would be in force",
        (
            Cut(
                f"{T}/sql/queries/publishing.sql",
                "SELECT pg_advisory_xact_lock("
                "hashtextextended('tickets.publish:' || $1 || ':' || $2, 0));",
                "SELECT hashtextextended('tickets.publish:' || $1 || ':' || $2, 0);",
            ),
        ),
        (
            Catch(
                f"{TESTS}_reissue.py::test_two_officers_issue_one_version_after_the_other",
                "status = StatusCode.INTERNAL",
                "answers = await asyncio.gather(*(desk.call(reissue(ZHANG)) for desk in desks))",
            ),
        ),
    ),
    Mutant(
        "revoked-at-the-door",
        "A ticket that was replaced opens no door",
        "Any version with a good signature does",
        "Whoever has found a lost ticket goes in with it",
        (
            Cut(
                f"{T}/commands/verify_ticket.py",
                "    if bearer.is_revoked:\n"
                "        return Verification(proof, refusal=_rejected(RejectReason.REVOKED))\n",
                "",
            ),
        ),
        (
            Catch(
                f"{TESTS}_reissue.py::test_a_lost_ticket_opens_no_door",
                "DID NOT RAISE AioRpcError",
                "refused = await scanner.refused(door.VerifyTicketRequest(proof=old.proof))",
            ),
        ),
    ),
    Mutant(
        "proof-signed",
        "Nothing of a ticket's code counts that our key has not signed",
        "The signature is not looked at",
        "A ticket is what anybody can print",
        (
            Cut(
                f"{T}/proof.py",
                "        public_keys[key_id].verify(signature, _SIGNATURE_CONTEXT + body)\n",
                "        assert signature\n",
            ),
        ),
        (
            Catch(
                "tests/unit/tickets/test_proof.py::test_every_single_changed_byte_is_refused",
                "DID NOT RAISE ProofRejected",
            ),
        ),
    ),
)
