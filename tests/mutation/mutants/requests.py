"""What makes a repeated request harmless, and an answer a promise."""

from mutation.mutant import Catch, Cut, Mutant

KIT = "libs/zikao_kit"
TESTS = "tests/integration/test_kit"
DESK = "tests/integration/test_enrollment_desk.py"

REQUESTS = (
    Mutant(
        "answer-with-effect",
        "Answers of a batch are stored in the transaction of their effect",
        "Nothing is stored",
        "Who repeats a request after a lost answer is refused, or has the effect twice",
        (
            Cut(
                f"{KIT}/batch_desk.py",
                "        await self._remember(tx, fresh, answers)\n",
                "",
            ),
        ),
        (
            Catch(
                f"{DESK}::test_a_lost_commit_that_happened",
                "At index 0 diff: 'UNAVAILABLE' != 'held'",
            ),
            Catch(
                f"{DESK}::test_two_processes_with_the_same_request",
                "DomainError('ALREADY_ENROLLED')",
                "assert ours[0] == theirs[1]",
            ),
        ),
    ),
    Mutant(
        "refused-asked-again",
        "Who is refused, and was not looked up before, is looked up then",
        "What the board knows of answers is taken for all that there is",
        "An answer that another process has just given is followed by a refusal",
        (
            Cut(
                f"{KIT}/batch_desk.py",
                "            answers = await self._in_place_of_refusals(tx, fresh, answers)\n",
                "            pass\n",
            ),
        ),
        (
            Catch(
                f"{DESK}::test_an_answer_of_another_process_is_given_again",
                "At index 1 diff: 'ALREADY_ENROLLED' != 'held'",
            ),
        ),
    ),
    Mutant(
        "id-claimed-first",
        "A request id is claimed before the work: a second call with it waits for the first",
        "Whoever comes second only looks whether there is an answer",
        "Pressed twice, done twice",
        (
            Cut(
                f"{KIT}/idempotency.py",
                "        stored = await claim(tx, schema, key)\n"
                "        if stored is not None:\n"
                "            return response_type.FromString(stored)\n",
                "        stored = await recall(tx, schema, key)\n"
                "        if stored is not None:\n"
                "            return response_type.FromString(stored)\n"
                "        await _kit(tx, schema).execute('claim_request', *key)\n",
            ),
        ),
        (
            Catch(
                f"{TESTS}_idempotency.py::test_twenty_callers_at_once_have_one_effect",
                "== [1, 1, 1, 1, 1, 1, ...]",
                "assert answers == [1] * 20",
            ),
        ),
    ),
    Mutant(
        "body-compared",
        "The answer to a request id is given only for the same method and body",
        "The id is enough",
        "A changed wish under an old id is answered with the old order, and nobody notices",
        (
            Cut(
                f"{KIT}/idempotency.py",
                "        if (method, body_sha256) != (self.method, self.body_sha256):\n",
                "        if not method:\n",
            ),
        ),
        (
            Catch(
                f"{TESTS}_idempotency.py::test_another_body_or_method_is_refused",
                "DID NOT RAISE DomainError",
                "assert await refusal(submit(database, other_body)) == REQUEST_ID_REUSED",
            ),
        ),
    ),
    Mutant(
        "ids-by-caller",
        "A request id belongs to its caller: another's answer is not to be had by guessing it",
        "All callers share the ids",
        "Who guesses or sees an id is shown another candidate's order",
        (
            Cut(
                f"{KIT}/idempotency.py",
                "        asker = actor.subject or actor.caller\n",
                "        asker = 'anybody' if actor else ''\n",
            ),
        ),
        (
            Catch(
                f"{TESTS}_idempotency.py::test_ids_of_different_callers_are_apart", "assert 1 == 2"
            ),
        ),
    ),
    Mutant(
        "doubt-looked-up",
        "After a connection lost at COMMIT the database is asked what became of the batch",
        "All of the batch hear UNAVAILABLE",
        "Candidates who hold a seat are told that nothing is known, and may give up",
        (
            Cut(
                f"{KIT}/batch_desk.py",
                "                return await self._settle(entries)\n",
                "                raise DatabaseUnavailable from None\n",
            ),
        ),
        (
            Catch(
                f"{DESK}::test_a_lost_commit_that_happened",
                "DatabaseUnavailable: UNAVAILABLE",
                "answers = await desk.decide(entries)",
            ),
        ),
    ),
    Mutant(
        "doubt-locked",
        "What became of a lost COMMIT is looked up under the lock of what it had locked",
        "It is looked up at once, while the lost transaction may still commit",
        "An answer 'did not happen' for what happens a moment later",
        (
            Cut(
                f"{KIT}/batch_desk.py",
                "            await self.lock(tx, entries)\n            known =",
                "            known =",
            ),
        ),
        (
            Catch(
                f"{DESK}::test_a_lost_commit_that_happened",
                "At index 0 diff: 'UNAVAILABLE' != 'held'",
            ),
        ),
    ),
    Mutant(
        "doubt-not-repeated",
        "Work whose COMMIT is in doubt is not run again by itself",
        "It is run again as after a deadlock",
        "Effects twice, for callers without a request id",
        (
            Cut(
                f"{KIT}/db.py",
                "            except TransactionConflict:\n",
                "            except (TransactionConflict, CommitInDoubt):\n",
            ),
        ),
        (
            Catch(
                f"{TESTS}_db_failures.py::test_a_commit_in_doubt_is_not_run_again",
                "DID NOT RAISE CommitInDoubt",
            ),
        ),
    ),
    Mutant(
        "answer-after-commit",
        "An answer is given out only when the COMMIT has been confirmed",
        "A COMMIT that the database did not confirm counts as done",
        "Candidates hold an answer for a seat that was never taken",
        (
            Cut(
                f"{KIT}/db_transaction.py",
                "            raise CommitInDoubt from error\n",
                "            return\n",
            ),
        ),
        (
            Catch(
                f"{DESK}::test_a_lost_commit_that_did_not_happen",
                "assert ['held', 'held'] == ['UNAVAILABLE', 'UNAVAILABLE']",
            ),
            Catch(
                f"{TESTS}_idempotency.py"
                "::test_a_commit_that_never_arrived_is_known_not_to_have_happened",
                "DID NOT RAISE DatabaseUnavailable",
            ),
        ),
    ),
    Mutant(
        "durable-commit",
        "A COMMIT is confirmed once it is written: synchronous_commit stays on",
        "Sessions ask for synchronous_commit = off",
        "A crash of the database takes back the last answers, which candidates hold",
        (
            Cut(
                f"{KIT}/db.py",
                '            "jit": "off",\n',
                '            "jit": "off",\n            "synchronous_commit": "off",\n',
            ),
        ),
        (
            Catch(
                f"{TESTS}_own_cluster.py::test_passwords_stay_secret_and_a_restart_is_survived",
                "all that was confirmed, and nothing else",
            ),
        ),
    ),
    Mutant(
        "alone-when-poisoned",
        "An entry that breaks its batch is decided alone; the others are not harmed",
        "The batch fails as a whole",
        "One bad row keeps hundreds from their seats, again and again",
        (
            Cut(
                f"{KIT}/batch_desk.py",
                "        return await self._decide_in_parts(entries)\n\n",
                "        return [DomainError(INTERNAL) for entry in entries]\n\n",
            ),
        ),
        (Catch(f"{DESK}::test_poison_fails_alone", "At index 0 diff: 'INTERNAL' != 'held'"),),
    ),
)
