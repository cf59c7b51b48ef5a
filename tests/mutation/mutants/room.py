"""What keeps the waiting room fair: one place each, one draw, passes that are their owners'."""

from mutation.mutant import Catch, Cut, Mutant

E = "services/enrollment/zikao_enrollment"
ROOM = "tests/integration/test_enrollment_waiting_room.py"
GATEKEEPER = f"{E}/seats/gatekeeper.py"
PASSES = f"{ROOM}::test_passes_open_the_door_to_their_own_alone"

ASKED_BY_THE_BATCH = Cut(
    f"{E}/commands/seat_batch.py",
    "            if track in self.gated and wish.admitted_to is not track:\n"
    "                return needs_pass_error()\n",
    "            del track\n",
)

WAITING_ROOM = (
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
        (Catch(f"{ROOM}::test_the_database_keeps_the_room_whatever_happens", "DID NOT RAISE"),),
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
        (Catch(PASSES, "DID NOT RAISE"),),
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
        (Catch(PASSES, "DID NOT RAISE"),),
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
        (Catch(PASSES, "DID NOT RAISE"),),
    ),
    Mutant(
        "pass-asked-by-track",
        "Whether a pass is needed goes by the candidate's own track, which the batch has locked",
        "Only what is sure without looking at the candidate is refused",
        "Where another track needs no pass, nobody waits for a turn",
        (ASKED_BY_THE_BATCH,),
        (Catch(f"{ROOM}::test_tracks_have_rooms_of_their_own", "DID NOT RAISE"),),
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
        (Catch(PASSES, "DID NOT RAISE"),),
    ),
)
