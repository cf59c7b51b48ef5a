"""Who lets in whom: reports of processes, the lease of a room, how far it is."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from zikao_kit.db import Transaction

from zikao_enrollment.domain.admission_leader import Queue, Report, Step
from zikao_enrollment.domain.waiting import RoomKey, RoomState

# Who has told nothing for so long is not there.
REPORT_LIFE = timedelta(seconds=3)
KEPT_REPORTS = timedelta(minutes=1)


class LedRoom(NamedTuple):
    """A room that this process leads."""

    queue: Queue
    # What the last leader found; None right after the draw.
    rate: float | None
    ceiling: float | None
    held: bool


class AdmissionStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def report(self, key: RoomKey, report: Report) -> None:
        """Tell of a process to who leads a room."""
        await self._tx.execute("report_load", *key, *report)

    async def reports(self, key: RoomKey) -> Sequence[Report]:
        """What the processes that are there have told."""
        rows = await self._tx.fetch("list_reports", *key, REPORT_LIFE)
        return [Report(*row.values()) for row in rows]

    async def forget_old_reports(self) -> None:
        """Forget processes that have ended."""
        await self._tx.execute("delete_old_reports", KEPT_REPORTS)

    async def lead(self, key: RoomKey, process_id: UUID, lease: timedelta) -> LedRoom | None:
        """The room, locked and led by this process for `lease`; None while another one leads it.

        None also before the draw.
        """
        row = await self._tx.fetchrow("lead_room", *key, process_id, lease)
        if row is None:
            return None
        queue = Queue(RoomState(row["state"]), row["last_number"], row["admitted_until"])
        return LedRoom(queue, row["rate"], row["ceiling"], row["held"])

    async def save(self, key: RoomKey, step: Step) -> None:
        """Let in, in a room that this transaction leads."""
        await self._tx.execute("save_admission", *key, *step)

    async def insert(self, key: RoomKey, after: int, until: int, at: datetime) -> None:
        """Note when the numbers after `after` up to `until` were let in."""
        await self._tx.execute("insert_admission", *key, after, until, at)

    async def lock_limits(self, key: RoomKey) -> tuple[float | None, bool] | None:
        """What an office allows: at most how many a second, and whether nobody; None: no room."""
        row = await self._tx.fetchrow("lock_admission_limits", *key)
        return (row["ceiling"], row["held"]) if row else None

    async def limit(self, key: RoomKey, ceiling: float | None, *, held: bool) -> None:
        """Set what an office allows."""
        await self._tx.execute("set_admission_limits", *key, ceiling, held)
