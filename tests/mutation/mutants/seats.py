"""What keeps a seat from being sold twice, and a candidate in one place."""

from mutation.mutant import Catch, Cut, Mutant

E = "services/enrollment/zikao_enrollment"
QUERIES = f"{E}/sql/queries"
TESTS = "tests/integration/test_enrollment"
FORCED = f"{TESTS}_forced_races.py"

LEDGER_LOCK = Cut(
    f"{QUERIES}/seats.sql",
    "ORDER BY ledger.county_code, ledger.slot\nFOR UPDATE OF ledger;",
    "ORDER BY ledger.county_code, ledger.slot;",
)
LEDGER_CHECK = Cut(
    f"{E}/sql/migrations/0001_pre_create_schema.sql",
    "CHECK (held >= 0 AND confirmed >= 0 AND held + confirmed <= capacity)",
    "CHECK (held >= 0 AND confirmed >= 0)",
)
ONE_COUNTY = Cut(
    f"{QUERIES}/orders.sql",
    "county_code = CASE excluded.county_code WHEN bound.county_code THEN bound.county_code END",
    "county_code = excluded.county_code",
)
ONCE_A_SLOT = Cut(
    f"{E}/sql/migrations/0022_pre_bind_seats_to_counties.sql",
    "CHECK (bit_count(slot_set::bit(64)) = sittings)",
    "CHECK (sittings >= 0)",
)

SEATS = (
    Mutant(
        "ledger-lock",
        "Whoever takes seats locks their ledger rows before looking at what is free",
        "Rows are read without a lock; the CHECK behind it is taken away by the test itself",
        "Two people with one seat, found in the examination room",
        (LEDGER_LOCK,),
        (
            Catch(
                f"{FORCED}::test_locks_alone_protect_the_last_seat",
                "enrollment_no_seat_is_sold_twice",
            ),
        ),
    ),
    Mutant(
        "ledger-check",
        "A CHECK of the ledger refuses more taken seats than there are, whoever asks",
        "The CHECK allows it; the lock before it is taken away by the test itself",
        "The last line is gone: any mistake of a query sells seats that do not exist",
        (LEDGER_CHECK,),
        (
            Catch(
                f"{FORCED}::test_the_check_alone_protects_the_last_seat",
                "enrollment_no_seat_is_sold_twice",
            ),
            Catch(
                f"{TESTS}_schema.py::test_one_seat_too_many_is_refused",
                "DID NOT RAISE CheckViolationError",
            ),
        ),
    ),
    Mutant(
        "ledger-lock-and-check",
        "Lock and CHECK cover one another: each alone is enough",
        "Both are gone at once",
        "A county is sold out several times over in the first second",
        (LEDGER_LOCK, LEDGER_CHECK),
        (
            Catch(
                f"{FORCED}::test_locks_alone_protect_the_last_seat",
                "enrollment_no_seat_is_sold_twice",
            ),
        ),
    ),
    Mutant(
        "lock-order",
        "Ledger rows are locked in one order, by whatever order they are wished for",
        "Neither the keys nor the query are sorted (either alone is enough): rows are locked"
        " as the wish names them",
        "Wishes that cross wait for each other: under a rush every batch is broken off and redone",
        (
            Cut(
                f"{E}/domain/allocation.py",
                "    keys: set[SeatKey] = set()\n"
                "    for claim in set(claims):\n"
                "        if claim.gives_up is not None:\n"
                "            keys.update(claim.gives_up.keys)\n"
                "        for county_code in claim.county_codes:\n"
                "            keys.update(keys_of(county_code, claim.slots))\n"
                "    return sorted(keys)\n",
                "    keys: dict[SeatKey, None] = {}\n"
                "    for claim in claims:\n"
                "        if claim.gives_up is not None:\n"
                "            keys.update(dict.fromkeys(claim.gives_up.keys))\n"
                "        for county_code in claim.county_codes:\n"
                "            keys.update(dict.fromkeys(keys_of(county_code, claim.slots)))\n"
                "    return list(keys)\n",
            ),
            Cut(
                f"{QUERIES}/seats.sql",
                "JOIN unnest($2::text[], $3::integer[]) AS wanted (county_code, slot)\n"
                "    ON ledger.county_code = wanted.county_code AND ledger.slot = wanted.slot\n"
                "WHERE ledger.session_code = $1\n"
                "ORDER BY ledger.county_code, ledger.slot\n",
                "JOIN unnest($2::text[], $3::integer[]) WITH ORDINALITY"
                " AS wanted (county_code, slot, place)\n"
                "    ON ledger.county_code = wanted.county_code AND ledger.slot = wanted.slot\n"
                "WHERE ledger.session_code = $1\n"
                "ORDER BY wanted.place\n",
            ),
        ),
        (
            Catch(
                f"{FORCED}::test_a_wish_does_not_say_what_is_locked_first",
                "AssertionError: deadlock",
            ),
        ),
    ),
    Mutant(
        "candidate-lock",
        "The candidate is locked before anybody looks at what he has, or has been answered",
        "The row is read without a lock, and who has seats is bound as one who has none; the other"
        " keys behind it are taken away by the test itself",
        "Somebody sits in two counties, or who holds the last seat hears that all are sold",
        (
            Cut(
                f"{QUERIES}/candidates.sql",
                "    ORDER BY candidate_id\n    FOR NO KEY UPDATE\n",
                "    ORDER BY candidate_id\n",
            ),
            Cut(
                f"{QUERIES}/orders.sql",
                "    WHERE candidate_id <> ALL ($14::uuid[])\n",
                "    WHERE candidate_id IS NULL\n",
            ),
            Cut(
                f"{QUERIES}/orders.sql",
                "    WHERE candidate_id = ANY ($14::uuid[])\n",
                "    WHERE candidate_id = ANY ($14::uuid[]) OR true\n",
            ),
        ),
        (
            Catch(
                f"{FORCED}::test_a_candidate_in_two_counties_at_once",
                "enrollment_nobody_is_in_two_places",
            ),
            Catch(
                f"{FORCED}::test_one_request_at_two_processes",
                "assert ['held', 'SOLD_OUT'] == ['held', 'held']",
            ),
        ),
    ),
    Mutant(
        "order-lock",
        "An order is locked before anybody looks at its state and seats",
        "The row is read without a lock",
        "Seats given back twice are lost to everybody; a payment and the expiry of its order meet",
        (
            Cut(
                f"{QUERIES}/orders.sql",
                "ORDER BY order_id\nFOR UPDATE;",
                "ORDER BY order_id;",
            ),
        ),
        (
            Catch(
                f"{FORCED}::test_an_order_changed_twice_at_once",
                "enrollment_no_seat_is_lost",
            ),
            Catch(
                f"{TESTS}_forced_money_races.py::test_a_payment_while_the_order_closes",
                "AssertionError: deadlock",
            ),
        ),
    ),
    Mutant(
        "one-county",
        "Storing an order refuses a county other than the candidate is bound to (NOT NULL)",
        "The candidate is bound to the new one",
        "A batch that was decided wrongly seats somebody in a second county, unseen",
        (ONE_COUNTY,),
        (
            Catch(
                f"{TESTS}_schema.py::test_nobody_twice_in_a_slot_or_in_two_counties",
                "DID NOT RAISE IntegrityConstraintViolationError",
            ),
        ),
    ),
    Mutant(
        "once-a-slot",
        "A CHECK refuses a second seat of a candidate in a slot",
        "The CHECK allows it",
        "Two examinations at the same time: one of them is missed, and was paid for",
        (ONCE_A_SLOT,),
        (
            Catch(
                f"{TESTS}_schema.py::test_nobody_twice_in_a_slot_or_in_two_counties",
                "DID NOT RAISE IntegrityConstraintViolationError",
            ),
            Catch(
                f"{TESTS}_schema.py::test_a_set_of_slots_is_as_large_as_it_is_said_to_be",
                "DID NOT RAISE CheckViolationError",
            ),
        ),
    ),
    Mutant(
        "one-county-and-slot",
        "County and slot cover one another where the candidate's lock is missing",
        "Both are gone; the lock before them is taken away by the test itself",
        "The same course in two counties, and two seats of which one stays empty",
        (ONE_COUNTY, ONCE_A_SLOT),
        (
            Catch(
                f"{FORCED}::test_the_keys_alone_keep_a_candidate_in_one_county",
                "enrollment_nobody_is_in_two_places",
            ),
        ),
    ),
    Mutant(
        "plenty-counted-again",
        "Where seats were given because plenty were seen, the locked ledger has the last word",
        "What is left is not looked at: neither before the change nor after it; the CHECK behind it"
        " is taken away by the test itself",
        "At the end of a rush batches that all saw plenty take more than there is",
        (
            Cut(f"{QUERIES}/seats.sql", "        AND seen.free >= seen.held\n", ""),
            Cut(
                f"{E}/seats/desk.py",
                "            if any(count < 0 for count in left.values()):\n"
                "                raise Outdated  # others have taken what seemed plenty\n",
                "",
            ),
        ),
        (
            Catch(
                f"{FORCED}::test_locks_alone_protect_the_last_seat",
                "enrollment_no_seat_is_sold_twice",
            ),
        ),
    ),
    Mutant(
        "session-version",
        "A batch counts only if no session was applied since its board was read",
        "It is stored as it was decided",
        "Old fees, courses that have moved, seats that were taken out of the session",
        (
            Cut(
                f"{E}/seats/desk.py",
                "            if await store.sessions.version(session_code) != version:\n"
                "                raise Outdated\n",
                "",
            ),
        ),
        (
            Catch(
                f"{TESTS}_desk.py::test_a_session_applied_after_the_board_was_read",
                "assert 7000 == (2 * (3500 + 100))",
            ),
        ),
    ),
    Mutant(
        "capacity-lock",
        "Whoever applies a session anew locks all its ledger rows before comparing",
        "Rows are read without a lock; the CHECK behind it is taken away by the test itself",
        "A county has fewer seats than people who have paid for them",
        (
            Cut(
                f"{QUERIES}/sessions.sql",
                "ORDER BY county_code, slot\nFOR UPDATE;",
                "ORDER BY county_code, slot;",
            ),
        ),
        (
            Catch(
                f"{FORCED}::test_capacity_does_not_fall_below_what_is_taken_meanwhile",
                "enrollment_no_seat_is_sold_twice",
            ),
        ),
    ),
    Mutant(
        "fresh-board",
        "Nobody is refused from memory by a board that is older than a second",
        "Any board will do, however old",
        "Seats that were given back stay unsold while candidates are told that all is full",
        (
            Cut(
                f"{E}/views/boards.py",
                "return time.monotonic() - self._read_at < MAX_AGE_SECONDS",
                "return True",
            ),
        ),
        (
            Catch(
                f"{TESTS}_desk.py::test_seats_of_long_ago_are_not_shown",
                "DID NOT RAISE DomainError",
                'with pytest.raises(DomainError, match="UNAVAILABLE"):',
            ),
            Catch(
                f"{TESTS}_desk.py::test_an_old_board_refuses_nobody",
                "assert ['SOLD_OUT'] == ['held']",
            ),
        ),
    ),
    Mutant(
        "answered-asked",
        "Who may have an answer already is never refused from memory",
        "The doorman does not ask whether there is one",
        "Who holds a seat repeats the request, hears SOLD_OUT, and never pays",
        (
            Cut(
                f"{E}/seats/doorman.py",
                "        if candidate in self._boards.answered:\n            return None\n",
                "",
            ),
        ),
        (
            Catch(
                f"{TESTS}_doorman.py::test_whoever_has_an_order_is_judged_by_the_ledger",
                'details = "SOLD_OUT"',
                "assert await person.call(mine) == first",
            ),
        ),
    ),
)
