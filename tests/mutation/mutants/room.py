"""What keeps the waiting room fair: one place each, one draw, passes that are their owners'."""

from mutation.mutant import Catch, Cut, Mutant

E = "services/enrollment/zikao_enrollment"
ROOM = "tests/integration/test_enrollment_waiting_room.py"
GATEKEEPER = f"{E}/seats/gatekeeper.py"
RACES = "tests/integration/test_enrollment_waiting_races.py"
PASSES = f"{ROOM}::test_passes_open_the_door_to_their_own_alone"

ASKED_BY_THE_BATCH = Cut(
    f"{E}/commands/seat_batch.py",
    "        if candidate.track in self.gated and wish.admitted_to is not candidate.track:\n"
    "            raise needs_pass_error()\n",
    "",
)

WAITING_ROOM = (
    Mutant(
        "draw-locks-room",
        "The draw locks the room: it waits for who is coming in, and who comes then waits for it",
        "It counts and draws without a lock",
        "Somebody with a place is in no draw, and has no number",
        (
            Cut(
                f"{E}/sql/queries/waiting.sql",
                "-- name: lock_waiting_room_to_draw\n"
                "SELECT drawn_count FROM enrollment.waiting_room\n"
                "WHERE session_code = $1 AND track = $2\n"
                "FOR UPDATE;",
                "-- name: lock_waiting_room_to_draw\n"
                "SELECT drawn_count FROM enrollment.waiting_room\n"
                "WHERE session_code = $1 AND track = $2;",
            ),
        ),
        (
            Catch(
                f"{RACES}::test_the_draw_waits_for_who_is_coming_in",
                "TimeoutError",
                "await until_somebody_waits(db)",
            ),
            Catch(
                f"{RACES}::test_only_one_process_draws",
                "assert 0 is None",
                "assert await second is None",
            ),
        ),
    ),
    Mutant(
        "draw-once",
        "A room that is drawn is not drawn again",
        "Whoever comes later draws anew",
        "The order changes under those who have seen theirs; an insider draws until it fits",
        (
            Cut(
                f"{E}/stores/waiting.py",
                'return row is not None and row["drawn_count"] is None',
                "return row is not None",
            ),
        ),
        (
            Catch(
                f"{RACES}::test_only_one_process_draws",
                "assert 0 is None",
                "assert await second is None",
            ),
        ),
    ),
    Mutant(
        "late-in-turn",
        "Numbers behind the draw are given by one batch at a time",
        "Two count from the same number; the key of late numbers refuses one of them",
        "Who joins after nine o'clock gets an error instead of a place",
        (
            Cut(
                f"{E}/sql/queries/waiting.sql",
                "SELECT drawn_count, late_count FROM enrollment.waiting_room\n"
                "WHERE session_code = $1 AND track = $2\n"
                "FOR NO KEY UPDATE;",
                "SELECT drawn_count, late_count FROM enrollment.waiting_room\n"
                "WHERE session_code = $1 AND track = $2;",
            ),
        ),
        (
            Catch(
                f"{RACES}::test_late_numbers_are_given_by_one_batch_at_a_time",
                "ConstraintViolated: waiting_place_late on waiting_place",
                "assert [row.late_number for row in first + await second]",
            ),
        ),
    ),
    Mutant(
        "late-commit-read",
        "A reading of places looks for what transactions changed that ran in the last one",
        "It begins behind the newest transaction of the last one",
        "A process never hears of a place that was committed late, and draws other numbers",
        (
            Cut(
                f"{E}/waiting/live_room.py",
                "        self._unseen = running\n",
                "        del running\n",
            ),
        ),
        (
            Catch(
                f"{RACES}::test_a_place_that_commits_late_is_read",
                "AssertionError: assert False",
                "assert live.has(ONE)",
            ),
        ),
    ),
    Mutant(
        "late-join-draws",
        "Who joins after the opening takes the draw's own lock, and draws",
        "It takes the shared lock, which is also given past a draw that waits",
        "Those who join at nine o'clock put the draw off, and all who waited with it",
        (
            Cut(
                f"{E}/waiting/joining.py",
                "        if not is_drawn and now >= window.opens_at:\n",
                "        if not is_drawn and is_drawn:\n",
            ),
        ),
        (
            Catch(
                f"{RACES}::test_who_comes_after_the_opening_keeps_no_draw_waiting",
                "TimeoutError",
                "await until_somebody_waits(db, 2)",
            ),
        ),
    ),
    Mutant(
        "numbers-when-all-known",
        "A process computes the draw only from as many places as were drawn",
        "It draws among those it knows",
        "Two processes tell the same person two numbers",
        (
            Cut(
                f"{E}/waiting/live_room.py",
                "        if len(self._waiting) != room.drawn_count:\n",
                "        if not self._waiting:\n",
            ),
        ),
        (
            Catch(
                f"{RACES}::test_a_process_finds_numbers_only_when_it_knows_all",
                "AssertionError: assert 1 == 0",
                "assert place.number == 0",
            ),
        ),
    ),
    Mutant(
        "one-leader",
        "One process at a time admits: it holds a lease on the room",
        "Whoever asks leads",
        "With n processes n times as many are let in as the system bears",
        (
            Cut(
                f"{E}/sql/queries/admissions.sql",
                "    AND (leader = $3 OR leader IS NULL OR leader_until < clock_timestamp())\n",
                "",
            ),
        ),
        (
            Catch(
                "tests/integration/test_waiting_room_admission.py"
                "::test_all_at_once_they_let_in_no_more",
                " <= ((12 * ",
            ),
        ),
    ),
    Mutant(
        "one-place",
        "The key of places refuses a second one of a candidate",
        "There is no key, and joining does not look whether there is a place",
        "Who has three tabs is drawn three times",
        (
            Cut(
                f"{E}/sql/migrations/0020_pre_waiting_room.sql",
                "    PRIMARY KEY (session_code, track, candidate_id),\n",
                "    CONSTRAINT waiting_place_pkey CHECK (drawn OR NOT drawn),\n",
            ),
            Cut(
                f"{E}/sql/queries/waiting.sql",
                "ORDER BY given.candidate_id\n"
                "ON CONFLICT (session_code, track, candidate_id) DO NOTHING;",
                "ORDER BY given.candidate_id;",
            ),
        ),
        (
            Catch(
                f"{ROOM}::test_the_database_keeps_the_room_whatever_happens",
                "DID NOT RAISE UniqueViolationError",
            ),
        ),
    ),
    Mutant(
        "pass-of-person",
        "A pass is good for the candidate whose turn it is, and nobody else",
        "It is good for whoever shows it",
        "Places in the queue are sold",
        (
            Cut(
                GATEKEEPER,
                "        if shown.says.candidate_id != candidate_id:\n"
                '            raise _invalid("不是您的通行证")\n',
                "",
            ),
        ),
        (
            Catch(
                PASSES,
                "DID NOT RAISE AioRpcError",
                "refused = await showing(one, shown).refused(wish)",
            ),
        ),
    ),
    Mutant(
        "pass-signed",
        "A pass counts only with the code that the room's key makes",
        "What it says is believed",
        "Whoever can write a number goes in first",
        (
            Cut(
                GATEKEEPER,
                "        if not shown.is_of(session_code, room.pass_key):\n"
                '            raise _invalid("不是本次考试的通行证")\n',
                "",
            ),
        ),
        (
            Catch(
                PASSES,
                "DID NOT RAISE AioRpcError",
                "refused = await showing(one, shown).refused(wish)",
            ),
        ),
    ),
    Mutant(
        "pass-expires",
        "A pass ends some minutes after its turn",
        "It is good for ever",
        "Passes are collected and used all at once: the rate of admission says nothing",
        (
            Cut(
                GATEKEEPER,
                "        if self._clock.now() >= shown.says.expires_at:\n"
                '            raise _invalid("已过期")\n',
                "",
            ),
        ),
        (
            Catch(
                PASSES,
                "DID NOT RAISE AioRpcError",
                "refused = await showing(two, passes[1]).refused(submission())",
            ),
        ),
    ),
    Mutant(
        "pass-asked-by-track",
        "Whether a pass is needed goes by the candidate's own track, which the batch has locked",
        "Only what is sure without looking at the candidate is refused",
        "Where another track needs no pass, nobody waits for a turn",
        (ASKED_BY_THE_BATCH,),
        (
            Catch(
                f"{ROOM}::test_tracks_have_rooms_of_their_own",
                "DID NOT RAISE AioRpcError",
                'assert (await each.refused(submission())).reason == "ADMISSION_PASS_NEEDED"',
            ),
        ),
    ),
    Mutant(
        "pass-needed",
        "The gatekeeper's memory and the batch cover one another for who shows no pass",
        "Neither asks for one",
        "The waiting room is decoration",
        (
            ASKED_BY_THE_BATCH,
            Cut(GATEKEEPER, "        raise needs_pass_error()\n", "        return None\n"),
        ),
        (
            Catch(
                PASSES,
                "DID NOT RAISE AioRpcError",
                'assert (await one.refused(submission())).reason == "ADMISSION_PASS_NEEDED"',
            ),
        ),
    ),
)
