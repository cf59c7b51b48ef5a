"""What makes every fen a confirmed enrollment or a refund, once."""

from mutation.mutant import Catch, Cut, Mutant

E = "services/enrollment/zikao_enrollment"
QUERIES = f"{E}/sql/queries"
TESTS = "tests/integration/test_enrollment"
PAYING = f"{TESTS}_paying.py"
SCHEMA = f"{TESTS}_schema.py"

SEEN_BEFORE = Cut(
    f"{E}/commands/settle_payments.py",
    "    fresh = [word for word in words if word.payment.payment_id not in known]\n",
    "    fresh = list(words)\n",
)
NOT_REFUNDED = Catch(
    f"{PAYING}::test_a_wrong_amount_goes_back_and_blocks_nothing",
    "TimeoutError",
    "await until_refunded(running, 1, FEE - 100)",
)

MONEY = (
    Mutant(
        "close-before-release",
        "An order that the platform may know is closed there before its seats go back",
        "Seats go back at the deadline, whatever the platform does",
        "Somebody pays in time for a seat that another has by then",
        (
            Cut(
                f"{E}/workers/expiry.py",
                "        if opened is None:\n            return order_id\n",
                "        if opened is None or opened:\n            return order_id\n",
            ),
        ),
        (
            Catch(
                f"{PAYING}::test_seats_stay_held_until_the_platform_has_closed",
                "TimeoutError",
                'await until_state(running, 1, "CLOSING")',
            ),
        ),
    ),
    Mutant(
        "payment-seen-before",
        "Word of a payment that has come before changes nothing",
        "It is settled again; the key of payments refuses it still",
        "The platform repeats its word without end, and is told UNAVAILABLE each time",
        (SEEN_BEFORE,),
        (
            Catch(
                f"{TESTS}_till.py::test_the_same_word_at_once",
                "DatabaseUnavailable: UNAVAILABLE",
                "await asyncio.gather(*(till.settle(w.payment) for till in tills for w in words))",
            ),
        ),
    ),
    Mutant(
        "payment-once",
        "The look at what came before, the count of inserted payments and the key of refunds cover"
        " one another",
        "None of the three stops what comes again",
        "A repeated word looks like a second payment: money goes back that never came",
        (
            SEEN_BEFORE,
            Cut(
                f"{E}/stores/money.py",
                '        if await self._tx.execute("insert_payments", *columns(rows, 7), now)'
                " < len(settled):\n            return False\n",
                '        await self._tx.execute("insert_payments", *columns(rows, 7), now)\n',
            ),
            Cut(
                f"{E}/sql/migrations/0001_pre_create_schema.sql",
                "    CONSTRAINT refund_once UNIQUE (payment_id),\n",
                "",
            ),
        ),
        (
            Catch(
                f"{TESTS}_till.py::test_the_same_word_at_once",
                "== [(7000,)]",
                'assert await rows(dsn, "SELECT amount_fen FROM enrollment.refund")',
            ),
        ),
    ),
    Mutant(
        "payment-applied-once",
        "A unique index: one payment at most confirms an order",
        "The index is not unique",
        "Somebody pays twice, and nothing says that one goes back",
        (
            Cut(
                f"{E}/sql/migrations/0001_pre_create_schema.sql",
                "CREATE UNIQUE INDEX payment_applied_once",
                "CREATE INDEX payment_applied_once",
            ),
        ),
        (Catch(f"{SCHEMA}::test_an_order_is_paid_once", "DID NOT RAISE UniqueViolationError"),),
    ),
    Mutant(
        "one-open-payment",
        "A unique index: an order has one open payment at most",
        "The index is not unique",
        "Two codes for one order, and people who pay both",
        (
            Cut(
                f"{E}/sql/migrations/0002_pre_payment_orders.sql",
                "CREATE UNIQUE INDEX payment_order_open_once",
                "CREATE INDEX payment_order_open_once",
            ),
        ),
        (
            Catch(
                f"{SCHEMA}::test_an_order_has_one_open_payment",
                "DID NOT RAISE UniqueViolationError",
            ),
        ),
    ),
    Mutant(
        "late-payment-refunded",
        "Money that confirms no order is owed back from the moment it comes",
        "It is stored, and nobody owes it",
        "Who pays late has neither seat nor money",
        (
            Cut(
                f"{E}/commands/settle_payments.py",
                "return Settled(payment, order_id, flag, None if move else word.refund_id)",
                "return Settled(payment, order_id, flag, None)",
            ),
        ),
        (NOT_REFUNDED,),
    ),
    Mutant(
        "late-payment-asks-for-seats",
        "A late payment gets only seats that are free under the lock",
        "The order is confirmed where it was",
        "Late payers push the seats of others over the edge, or their payment is stuck",
        (
            Cut(
                f"{E}/commands/settle_payments.py",
                "        if not isinstance(decision, Granted):\n            return None\n",
                "        if not isinstance(decision, Granted):\n"
                "            return _confirmed(order, order.county_code, OrderAction.RECLAIM)\n",
            ),
        ),
        (
            Catch(
                f"{PAYING}::test_a_late_payment_moves_with_consent_only",
                "TimeoutError",
                "await until_refunded(running, 1, FEE)",
            ),
        ),
    ),
    Mutant(
        "wrong-amount",
        "Only the whole fee confirms an order",
        "Any amount does",
        "A fen buys an examination",
        (
            Cut(
                f"{E}/domain/money.py",
                "    if amount_fen != fee_fen:\n        return Disposition.REFUND\n",
                "",
            ),
        ),
        (NOT_REFUNDED,),
    ),
    Mutant(
        "closing-leased",
        "A closing order is one worker's until its lease has passed",
        "Whoever asks gets it",
        "Every process closes the same orders at the platform, again and again",
        (
            Cut(
                f"{QUERIES}/orders.sql",
                "WHERE state = 'closing' AND lease_until <= statement_timestamp()",
                "WHERE state = 'closing'",
            ),
        ),
        (Catch(f"{SCHEMA}::test_a_closing_order_is_leased", "one more item: <Record order_id="),),
    ),
    Mutant(
        "refund-leased",
        "A refund is asked for by one worker at a time, after growing pauses",
        "It is due always",
        "The platform is asked for the same refund by every process at once",
        (
            Cut(
                f"{QUERIES}/money.sql",
                "WHERE refunded_at IS NULL AND next_attempt_at <= statement_timestamp()",
                "WHERE refunded_at IS NULL",
            ),
        ),
        (
            Catch(
                f"{SCHEMA}::test_a_refund_is_asked_for_again_after_growing_pauses",
                "one more item: <Record refund_id=",
            ),
        ),
    ),
    Mutant(
        "histories-append-only",
        "What happened to orders and refunds, and what offices did, is only ever added to",
        "The trigger lets everything pass",
        "A dispute about money cannot be cleared up",
        (
            Cut(
                f"{E}/sql/migrations/0004_pre_create_office_audit.sql",
                "    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME\n"
                "        USING ERRCODE = 'restrict_violation';\n",
                "    RETURN coalesce(NEW, OLD);\n",
            ),
        ),
        (
            Catch(
                f"{SCHEMA}::test_histories_are_only_added_to",
                "DID NOT RAISE RestrictViolationError",
            ),
        ),
    ),
)
