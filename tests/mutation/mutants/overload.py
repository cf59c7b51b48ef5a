"""What keeps a service at work when more is wanted than it can do, and tells callers so."""

from mutation.mutant import Catch, Cut, Mutant

KIT = "libs/zikao_kit"
ADMISSION = f"{KIT}/admission.py"
UNIT = "tests/unit/kit"
WAITERS = f"{UNIT}/test_admission.py"
LINES = f"{UNIT}/test_admission_lines.py"
THROTTLE = "libs/zikao_client/throttle.py"
CALLERS = "tests/unit/client/test_throttle.py"
SERVER = "tests/integration/test_server_overload.py"

OVERLOAD = (
    Mutant(
        "bounded-queue",
        "No more calls wait than the queue holds",
        "Whoever comes waits",
        "In a rush everybody waits and nobody is answered in time, until memory is full",
        (
            Cut(
                ADMISSION,
                "if self._depth >= self._max_queue_depth and not",
                "if self._depth < 0 and not",
            ),
        ),
        (Catch(f"{LINES}::test_no_more_wait_than_the_queue_holds", "assert 8 == 3"),),
    ),
    Mutant(
        "queueing-time",
        "Nobody waits in a queue for longer than is useful",
        "Each waits as long as its own deadline lets it",
        "Work is done for callers that have given up: a service that is full gets nothing done",
        (
            Cut(
                ADMISSION,
                "min(patience_seconds, self._max_queue_seconds)",
                "patience_seconds",
            ),
        ),
        (
            Catch(
                f"{LINES}::test_nobody_waits_longer_than_is_useful",
                "TimeoutError",
                "async with asyncio.timeout(1):",
            ),
        ),
    ),
    Mutant(
        "told-while-standing",
        "Where most wait too long, a few are sent away, so that callers send less",
        "Nobody is, as long as the queue is not full",
        "A queue that stands makes every answer late for the whole rush, and none sooner",
        (
            Cut(
                ADMISSION,
                "standing.is_turn(waited_seconds, now)",
                "standing.is_turn(0.0, now)",
            ),
        ),
        (
            Catch(
                f"{WAITERS}::test_some_of_those_who_waited_unseen_are_told_when_most_have",
                "assert 1 <= 0",
            ),
        ),
    ),
    Mutant(
        "important-first",
        "Who waits is let in by priority: a payment before a submission before a look",
        "By priority, the least important first",
        "Payments wait behind people who reload a page",
        (Cut(ADMISSION, "for p in sorted(Priority)}", "for p in reversed(Priority)}"),),
        (
            Catch(
                f"{WAITERS}::test_waiters_come_in_by_priority_then_by_arrival",
                "At index 0 diff: 'print' != 'payment'",
            ),
        ),
    ),
    Mutant(
        "displaces-less-important",
        "In a full queue the least important makes room for who is more important",
        "Whoever comes to a full queue is sent away",
        "People who look at free seats keep out those who submit, and word of payments",
        (
            Cut(
                ADMISSION,
                " and not self._displace_below(priority):",
                ":",
            ),
        ),
        (
            Catch(
                f"{LINES}::test_who_pays_takes_the_place_of_who_looks",
                "AssertionError: assert False",
                "assert looking.done()",
            ),
        ),
    ),
    Mutant(
        "payment-slots",
        "Payments have slots of their own, whatever else runs",
        "They share all with the others",
        "Money that was paid is heard of when the rush is over, and seats are given back meanwhile",
        (
            Cut(
                ADMISSION,
                "extra = self._payment_slots if priority is Priority.PAYMENT else 0",
                "extra = 0",
            ),
        ),
        (
            Catch(
                f"{WAITERS}::test_payments_have_slots_of_their_own",
                "DomainError: OVERLOADED",
                "await gate.enter(Priority.PAYMENT, 0.0)",
            ),
        ),
    ),
    Mutant(
        "payment-never-told",
        "No payment is sent away for having waited",
        "It is, as all others are",
        "The platform repeats its word, and the rush has one more sender",
        (
            Cut(
                ADMISSION,
                "priority not in _NEVER_TOLD and standing",
                "standing",
            ),
        ),
        (
            Catch(
                f"{WAITERS}::test_some_of_those_who_waited_unseen_are_told_when_most_have",
                "DomainError: OVERLOADED",
                "await gate.enter(Priority.PAYMENT, LONG_SECONDS, age_seconds=1.0)",
            ),
        ),
    ),
    Mutant(
        "slot-of-who-left",
        "A slot that was given to a caller who has just hung up goes on to the next",
        "It is lost",
        "Every impatient candidate takes a slot with him: in the end nobody is served",
        (
            Cut(
                ADMISSION,
                "        elif not waiter.cancelled() and waiter.result():\n"
                "            self.pass_on()\n",
                "",
            ),
        ),
        (
            Catch(
                f"{WAITERS}::test_slot_given_to_a_caller_that_just_left_is_not_lost",
                "TimeoutError",
                "async with asyncio.timeout(1):",
            ),
        ),
    ),
    Mutant(
        "limit-follows",
        "Fewer run at once where more get nothing more done",
        "As many as are allowed at all",
        "A database that is full gets more to do at once, and does less",
        (
            Cut(
                f"{KIT}/concurrency.py",
                "        self._try_next()",
                "        self._rest()",
            ),
        ),
        (
            Catch(
                f"{UNIT}/test_concurrency.py::test_it_follows_what_has_changed",
                "assert 256 <= 91",
            ),
        ),
    ),
    Mutant(
        "told-when-to-come",
        "Who is sent away is told when to come again",
        "Only that there is too much to do",
        "Everybody tries again at once, and again: the rush never ends",
        (
            Cut(
                f"{KIT}/comeback.py",
                "DomainError(OVERLOADED, retry_after=jittered(pause_seconds))",
                "DomainError(OVERLOADED)",
            ),
        ),
        (
            Catch(
                f"{SERVER}::test_callers_are_told_when_most_calls_were_late_before_they_came",
                "assert None is not None",
            ),
        ),
    ),
    Mutant(
        "told-apart",
        "Each is told another moment to come again",
        "All the same one",
        "Those who were sent away together come together",
        (
            Cut(
                f"{KIT}/comeback.py",
                "seconds * random.uniform(0.5, 1.5))",
                "seconds)",
            ),
        ),
        (Catch(f"{UNIT}/test_comeback.py::test_returns_are_spread", "assert 1 > 40"),),
    ),
    Mutant(
        "throttle-holds-back",
        "A caller has no more under way than its throttle lets through",
        "All that is wanted is sent",
        "To refuse costs what to answer does: who refuses ten times as much does nothing else",
        (
            Cut(
                THROTTLE,
                "allowed = max(0, min(count, int(self._bound) - self._under_way))",
                "allowed = count",
            ),
        ),
        (
            Catch(
                f"{CALLERS}::test_a_service_that_does_not_answer_gets_nothing_more",
                "assert 1000 == 64",
            ),
        ),
    ),
    Mutant(
        "throttle-learns",
        "A round trip with a refusal takes a part of what a caller has under way",
        "It sends as much as before",
        "Portals go on as if nobody had been refused",
        (
            Cut(
                THROTTLE,
                "max(1.0, KEPT_SHARE * self._bound)",
                "self._bound",
            ),
        ),
        (
            Catch(
                f"{CALLERS}::test_what_was_on_its_way_together_counts_once",
                "assert 100 == 75",
            ),
        ),
    ),
    Mutant(
        "full-county-is-an-answer",
        "A full county is an answer, and does not close the throttle",
        "It has the code of too much to do, and counts as that",
        "Where popular counties sell out a portal stops sending, and its candidates get no others",
        (
            Cut(
                "libs/zikao_client/throttling.py",
                "return reason_in_text(details) in (OVERLOADED, None)",
                "return True",
            ),
        ),
        (
            Catch(
                "tests/unit/client/test_throttling.py"
                "::test_a_full_county_is_an_answer_although_its_code_is_that_of_too_much",
                "AssertionError: assert not True",
                "assert not is_not_now(code, text)",
            ),
        ),
    ),
    Mutant(
        "payments-not-held-back",
        "A client holds no payment back, whatever it was refused",
        "It does as with all others",
        "Word of money waits in the client while the service has slots for it",
        (
            Cut(
                "libs/zikao_client/throttling.py",
                "for each in Priority if each is not Priority.PAYMENT}",
                "for each in Priority}",
            ),
        ),
        (
            Catch(
                f"{SERVER}::test_a_client_keeps_back_what_is_too_much_but_no_payment",
                'details = "OVERLOADED"',
                "asyncio.gather(*(stub.Service(SERVICE) for _ in range(3)))",
            ),
        ),
    ),
)
