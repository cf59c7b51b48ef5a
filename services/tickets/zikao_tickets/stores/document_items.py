"""What documents show: rooms with who sits in them, and papers; queries of `documents.sql`.

Personal data leaves here decrypted. Places in a document are the items' keys as texts.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Transaction

from zikao_tickets.domain.documents import Document, DocumentKind
from zikao_tickets.domain.occupancy import Occupant, OccupiedRoom, PaperCount, SitePlace
from zikao_tickets.domain.person import Person, personal_context, photo_context
from zikao_tickets.stores.sites import plan_of

Key = tuple[str, ...]
"""('1', 'A01', '012') for a room, ('1', 'A01') for a site in a slot, empty for the beginning."""
_COUNTS = {
    DocumentKind.PAPER_COUNTS: "count_document_sites",
    DocumentKind.SIGN_IN_SHEETS: "count_document_rooms",
    DocumentKind.DOOR_POSTERS: "count_document_rooms",
    DocumentKind.DESK_LABELS: "count_document_rooms",
}


class DocumentItemStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction, keys: KeyRing) -> None:
        self._tx = tx
        self._keys = keys

    async def arrangement_in_force(self, session_code: str, county_code: str) -> UUID | None:
        """The county's published arrangement."""
        found: UUID | None = await self._tx.fetchval(
            "find_arrangement_in_force", session_code, county_code
        )
        return found

    async def count(self, document: Document) -> int:
        """How many items a document has."""
        if document.kind is DocumentKind.TICKETS:
            place = document.session_code, document.county_code, document.as_of
            return int(await self._tx.fetchval("count_document_tickets", *place))
        scope = document.scope
        place_ = document.arrangement_id, scope.site_code, scope.slot
        return int(await self._tx.fetchval(_COUNTS[document.kind], *place_))

    async def rooms(
        self, document: Document, after: Key, limit: int, people: int
    ) -> list[OccupiedRoom]:
        """The next rooms of a document, with photos where it shows them.

        Not more than `people` sit in them, unless that many sit in the first.
        """
        slot, site, room = after or ("0", "", "")
        scope = document.scope
        rows = await self._tx.fetch(
            "list_document_rooms",
            *(document.arrangement_id, scope.site_code, scope.slot),
            *(int(slot), site, room, limit, people),
        )
        taken = [(row["slot"], row["site_code"], row["room_code"]) for row in rows]
        with_photos = document.kind is DocumentKind.SIGN_IN_SHEETS
        seats = await self._tx.fetch(
            "list_document_seats",
            *(document.arrangement_id, *columns(taken, 3), document.as_of, with_photos),
        )
        occupants: defaultdict[tuple[int, str, str], list[Occupant]] = defaultdict(list)
        for seat in seats:
            key = seat["slot"], seat["site_code"], seat["room_code"]
            occupants[key].append(self._occupant(seat))
        return [
            OccupiedRoom(_place(row), plan_of(row), tuple(occupants[key]))
            for row, key in zip(rows, taken, strict=True)
        ]

    async def papers(
        self, document: Document, after: Key, limit: int
    ) -> list[tuple[SitePlace, Sequence[PaperCount]]]:
        """The papers of the next sites and slots of a document."""
        slot, site = after or ("0", "")
        scope = document.scope
        rows = await self._tx.fetch(
            "list_document_papers",
            *(document.arrangement_id, scope.site_code, scope.slot, int(slot), site, limit),
        )
        return [
            (
                place,
                [PaperCount(row["room_code"], row["course_code"], row["papers"]) for row in group],
            )
            for place, group in groupby(rows, _place)
        ]

    def _occupant(self, row: Any) -> Occupant:
        candidate_id = row["candidate_id"]
        personal = self._keys.decrypt(row["personal_enc"], personal_context(candidate_id))
        jpeg_enc = row["jpeg_enc"]
        return Occupant(
            seat_number=row["seat_number"],
            course_code=row["course_code"],
            ticket_number=row["ticket_number"],
            person=Person.from_bytes(personal),
            jpeg=self._keys.decrypt(jpeg_enc, photo_context(candidate_id)) if jpeg_enc else None,
        )


def _place(row: Any) -> SitePlace:
    return SitePlace(row["slot"], row["site_code"], row["county_name"], row["site_name"])
