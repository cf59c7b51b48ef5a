"""Counts the seats that a batch has given: last of all, for everybody wants these rows."""

from collections.abc import Mapping

from zikao_enrollment.commands.seat_batch import Seated
from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.store import Store


async def change_ledger(store: Store, session_code: str, seated: Seated) -> Mapping[SeatKey, int]:
    """Change the ledger as was decided; return what is left in rows that were locked here.

    Where that is less than nothing the batch must be decided again.
    """
    if not seated.changes:
        return {}
    if seated.is_locked:
        await store.seats.change(session_code, seated.changes)
        return {}
    held = {key: change.held for key, change in seated.changes.items()}
    free = await store.seats.take(session_code, held)
    return {key: free.get(key, 0) - count for key, count in held.items()}
