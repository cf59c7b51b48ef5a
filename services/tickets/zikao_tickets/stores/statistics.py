"""How arranging, printing and the door go: the queries of `statistics.sql`, and some others."""

from collections.abc import Mapping
from datetime import datetime

from zikao_kit.db import Transaction

from zikao_tickets.domain.statistics import Counted, Group, TicketFigures

_QUERIES = (
    "count_sittings",
    "count_seats",
    "count_scans",
    "count_people",
    "count_tickets",
    "count_gaps",
)


async def count_figures(tx: Transaction, session_code: str, as_of: datetime) -> TicketFigures:
    """Everything of a session; of one moment in a transaction that is REPEATABLE READ."""
    counted = []
    for query in _QUERIES:
        for row in await tx.fetch(query, session_code):
            numbers = dict(row)
            group = Group(numbers.pop("county_code"), numbers.pop("slot", 0))
            counted.append(Counted(group, numbers))
    return TicketFigures(as_of, counted)


async def count_arrangements(tx: Transaction) -> Mapping[tuple[str, str], int]:
    """How many counties stand how, by session and state; what there is none of is left out."""
    rows = await tx.fetch("count_states")
    return {(row["session_code"], row["state"]): row["counties"] for row in rows}


async def count_unprintable(tx: Transaction) -> Mapping[tuple[str, str], int]:
    """How many tickets cannot be printed, by session and reason."""
    rows = await tx.fetch("count_unprintable")
    return {(row["session_code"], row["reason"]): row["tickets"] for row in rows}
