"""What brings every change to the other services once, and in order."""

from mutation.mutant import Catch, Cut, Mutant

KIT = "libs/zikao_kit"
FEED = "tests/integration/test_kit_feed.py"
CONSUMER = "tests/integration/test_kit_feed_consumer.py"

FEEDS = (
    Mutant(
        "feed-below-oldest",
        "A feed is delivered below the oldest transaction that still runs",
        "Whatever is committed is delivered",
        "A change that was committed late is never seen: a paid candidate without a ticket",
        (
            Cut(
                f"{KIT}/sql/queries/feed.sql",
                "        AND event.xid < pg_snapshot_xmin(pg_current_snapshot())\n",
                "",
            ),
        ),
        (Catch(f"{FEED}::test_a_late_commit_is_delivered", "assert ['quick'] == []"),),
    ),
    Mutant(
        "feed-last-state",
        "A state that is older than one already delivered is left out",
        "Whatever comes is delivered",
        "A cancelled enrollment comes back to life in the other services",
        (
            Cut(
                f"{KIT}/sql/queries/feed.sql",
                "                AND newer.xid < event.xid\n",
                "                AND newer.xid < '0'::xid8\n",
            ),
        ),
        (
            Catch(
                f"{FEED}::test_an_older_state_is_left_out",
                "Left contains one more item: ('other', b'other')",
            ),
        ),
    ),
    Mutant(
        "cursor-with-effect",
        "The cursor of a feed moves in the transaction of what was applied",
        "Events are applied in a transaction of their own, before the cursor moves",
        "After a lost connection events are applied twice: counts, seats and lists are wrong",
        (
            Cut(
                f"{KIT}/feed_consumer.py",
                "            if events:\n"
                "                await self._apply(tx, events)\n"
                "            return lag\n\n"
                "        with applying(",
                "            return lag\n\n"
                "        if events:\n"
                "            await self._db.run(lambda tx: self._apply(tx, events))\n"
                "        with applying(",
            ),
        ),
        (
            Catch(
                f"{CONSUMER}::test_a_connection_lost_at_commit_applies_nothing_twice",
                " == 12",
                "assert await count_entries(database) == 12",
            ),
        ),
    ),
    Mutant(
        "cursor-compared",
        "A cursor moves only from where its consumer has left it",
        "Whoever comes moves it",
        "Two processes that both follow a feed apply everything twice",
        (
            Cut(
                f"{KIT}/sql/queries/feed_cursor.sql",
                "WHERE source = $1 AND cursor = $2\nRETURNING extract",
                "WHERE source = $1 AND $2::text IS NOT NULL\nRETURNING extract",
            ),
        ),
        (
            Catch(
                f"{CONSUMER}::test_two_that_both_believe_to_be_at_work_apply_nothing_twice",
                "At index 1 diff: b'0' != b'1'",
            ),
        ),
    ),
)
