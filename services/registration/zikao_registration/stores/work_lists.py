"""Lists and counts of registrations: one method a named query of `work_lists.sql`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.crypto import KeyRing
from zikao_kit.db import Transaction

from zikao_registration.domain.work_list import (
    CountyStatistics,
    HourlyDecisions,
    QueueFilter,
    QueuePage,
    QueuePlace,
    split_area,
)
from zikao_registration.stores.registrations import Store

COUNTED = timedelta(hours=24)


class WorkListStore:
    """Bound to the running transaction, whose plans fit each question."""

    def __init__(self, tx: Transaction, keys: KeyRing) -> None:
        self._tx = tx
        self._keys = keys
        self.registrations = Store(tx, keys)

    async def list_page(
        self,
        wanted: QueueFilter,
        officer_id: UUID,
        after: QueuePlace | None,
        now: datetime,
        size: int,
    ) -> QueuePage:
        """Registrations after a place, the longest waiting first; of leases those at `now`."""
        as_of = after.as_of if after else now
        await self._tx.execute("use_custom_plans")
        rows = await self._tx.fetch(
            "list_queue",
            *split_area(wanted.area),
            wanted.session_code,
            wanted.states,
            wanted.submitted_from,
            wanted.submitted_to,
            wanted.has_material,
            wanted.lease,
            officer_id,
            now,
            wanted.rejection_reason,
            wanted.ticket_number,
            self._document_index(wanted.person_key),
            as_of,
            after.queued_at if after else None,
            after.candidate_id if after else None,
            size + 1,
        )
        shown = rows[:size]
        ids = [row["candidate_id"] for row in shown]
        found = {r.candidate_id: r for r in await self.registrations.get_registrations(ids)}
        return QueuePage(
            [found[candidate_id] for candidate_id in ids if candidate_id in found],
            QueuePlace(as_of, shown[-1]["queued_at"], ids[-1]) if len(rows) > size else None,
        )

    async def count(self, session_code: str, area: str, now: datetime) -> list[CountyStatistics]:
        """How the work goes in each county of the area."""
        await self._tx.execute("use_custom_plans")
        asked = session_code, *split_area(area), now
        counted = await self._tx.fetch("count_registrations", *asked)
        hours: defaultdict[str, list[HourlyDecisions]] = defaultdict(list)
        for row in await self._tx.fetch("count_decisions", *asked, now - COUNTED):
            hours[row["county_code"]].append(
                HourlyDecisions(row["hours_ago"], row["approved"], row["rejected"])
            )
        took = {
            row["county_code"]: row
            for row in await self._tx.fetch("measure_decisions", *asked, now - COUNTED)
        }
        counties = [CountyStatistics(**row) for row in counted]
        return [
            replace(
                county,
                hours=hours[county.county_code],
                median=took[county.county_code]["median"] if county.county_code in took else None,
                p90=took[county.county_code]["p90"] if county.county_code in took else None,
            )
            for county in counties
        ]

    def _document_index(self, person_key: str | None) -> bytes | None:
        return self._keys.blind_index(person_key, "registration.document") if person_key else None
