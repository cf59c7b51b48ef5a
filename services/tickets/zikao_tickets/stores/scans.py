"""Scans at doors: one method a named query of `scans.sql`."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.db import Transaction

from zikao_tickets.domain.scans import (
    MOST_SCANS_SHOWN,
    SAME_DOOR_WITHIN,
    DuplicateReason,
    DuplicateScan,
    KnownScan,
    Scan,
)


class DuplicateFilter(NamedTuple):
    """Which tickets: issued in counties that begin so, of a slot or of all."""

    session_code: str
    county_prefix: str
    slot: int | None


class ScanStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def lock_ticket(self, scan: Scan) -> None:
        """Let nobody else add a scan of this ticket in this slot until the transaction ends."""
        place = scan.session_code, scan.ticket_number, str(scan.slot)
        await self._tx.execute("lock_scanned_ticket", *place)

    async def insert(self, scans: Sequence[Scan], now: datetime, *, uploaded: bool) -> set[UUID]:
        """Add those that are not known and whose tickets were issued; ids of those added."""
        rows = await self._tx.fetch("insert_scans", *columns(scans, 9), now, uploaded)
        return {row["scan_id"] for row in rows}

    async def by_id(self, scan_ids: Sequence[UUID]) -> dict[UUID, Scan]:
        """The scans that are known, by id."""
        rows = await self._tx.fetch("list_scans_by_id", scan_ids)
        return {row["scan_id"]: Scan(**row) for row in rows}

    async def others(self, scan: Scan) -> list[KnownScan]:
        """The latest other scans of the same ticket in the same slot, the latest first."""
        rows = await self._tx.fetch(
            "list_other_scans",
            scan.session_code,
            scan.ticket_number,
            scan.slot,
            scan.scan_id,
            MOST_SCANS_SHOWN,
        )
        return [KnownScan(**row) for row in rows]

    async def duplicates(
        self, wanted: DuplicateFilter, after: tuple[int, str], limit: int
    ) -> list[DuplicateScan]:
        """Tickets somebody should look at, by slot and number, after `after`."""
        rows = await self._tx.fetch(
            "list_duplicate_scans", *wanted, SAME_DOOR_WITHIN, *after, limit
        )
        keys = [(row["slot"], row["ticket_number"]) for row in rows]
        scans = await self._scans(wanted.session_code, keys)
        return [
            DuplicateScan(
                slot=row["slot"],
                ticket_number=row["ticket_number"],
                county_code=row["county_code"],
                reasons=[reason for reason in DuplicateReason if row[reason]],
                scans=scans[key],
                scan_count=row["scan_count"],
            )
            for key, row in zip(keys, rows, strict=True)
        ]

    async def _scans(
        self, session_code: str, keys: Sequence[tuple[int, str]]
    ) -> defaultdict[tuple[int, str], list[KnownScan]]:
        found: defaultdict[tuple[int, str], list[KnownScan]] = defaultdict(list)
        rows = await self._tx.fetch(
            "list_scans_of_tickets", session_code, *columns(keys, 2), MOST_SCANS_SHOWN
        )
        for row in rows:
            fields = dict(row)
            key = fields.pop("slot"), fields.pop("ticket_number")
            found[key].append(KnownScan(**fields))
        return found
