"""How enrollment goes: the queries of `statistics.sql`."""

from collections.abc import Collection, Mapping
from datetime import datetime

from zikao_kit.db import Transaction

from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.statistics import Figures, People, Sittings


async def count_figures(tx: Transaction, session_code: str, as_of: datetime) -> Figures:
    """Everything of a session; of one moment in a transaction that is REPEATABLE READ."""
    sittings = await tx.fetch("count_sittings", session_code)
    people = await tx.fetch("count_candidates", session_code)
    capacities = await tx.fetch("count_capacities", session_code)
    return Figures.of(
        as_of,
        (Sittings(*row) for row in sittings),
        {row["county_code"]: People(row["candidates"], row["confirmed"]) for row in people},
        {SeatKey(row["county_code"], row["slot"]): row["capacity"] for row in capacities},
    )


async def count_orders(
    tx: Transaction, session_codes: Collection[str]
) -> Mapping[tuple[str, str], int]:
    """Orders that are not released, by session and state; a state without any is left out."""
    rows = await tx.fetch("count_orders", list(session_codes))
    return {(row["session_code"], row["state"]): row["orders"] for row in rows}
