"""What goes into a part of a document: the next items, or those it had when it was first made."""

from collections.abc import Sequence
from dataclasses import dataclass

from zikao_tickets.commands.print_ticket import WAITING, signed
from zikao_tickets.document_jobs import Sheets
from zikao_tickets.domain.documents import Document, DocumentKind, DocumentPart
from zikao_tickets.domain.session import Session
from zikao_tickets.domain.ticket import Refusal, Ticket
from zikao_tickets.printing import GlyphSource
from zikao_tickets.room_page import paper_sheet_of, room_sheet_of
from zikao_tickets.signing import ProofSigner
from zikao_tickets.stores.document_items import DocumentItemStore, Key
from zikao_tickets.stores.tickets import TicketStore

# A candidate waits for one part.
ITEMS_A_PART = {
    DocumentKind.TICKETS: 50,
    DocumentKind.SIGN_IN_SHEETS: 5,
    DocumentKind.DOOR_POSTERS: 25,
    DocumentKind.DESK_LABELS: 25,
    DocumentKind.PAPER_COUNTS: 20,
}
# Rooms may be of any size, and the photos of a part are in memory at once.
PEOPLE_A_PART = {
    DocumentKind.SIGN_IN_SHEETS: 150,
    DocumentKind.DOOR_POSTERS: 750,
    DocumentKind.DESK_LABELS: 750,
}


@dataclass(frozen=True)
class Contents:
    """The items of a part from after `first` to `last`, and their sheets."""

    first: Key
    last: Key
    items: int
    sheets: Sheets
    tickets: Sequence[Ticket] = ()
    """Those of the sheets, with their proofs."""
    waiting: Sequence[tuple[Ticket, Refusal]] = ()
    """Those that have no sheet."""


@dataclass(frozen=True)
class ContentsReader:
    """Reads the contents of one document, in one transaction."""

    document: Document
    session: Session
    tickets: TicketStore
    items: DocumentItemStore
    signer: ProofSigner
    glyphs: GlyphSource

    async def read(self, after: Key, made: DocumentPart | None) -> Contents | None:
        """What comes after an item, as it was when the part was `made`; None at the end."""
        if self.document.kind is DocumentKind.TICKETS:
            return await self._tickets(after, made)
        if self.document.kind is DocumentKind.PAPER_COUNTS:
            return await self._papers(after, made)
        return await self._rooms(after, made)

    async def _tickets(self, after: Key, made: DocumentPart | None) -> Contents | None:
        found = await self.tickets.document_tickets(
            self.document,
            after[0] if after else "",
            made.last[0] if made else None,
            None if made else self._limit,
        )
        if not found:
            return None
        left_out = {each.ticket_number for each in made.left_out} if made else set()
        proven = [
            signed(self.signer, self.session, ticket, ticket.jpeg)
            for ticket in found
            if ticket.jpeg is not None and ticket.ticket_number not in left_out
        ]
        return Contents(
            first=after,
            last=(found[-1].ticket_number,),
            items=len(found),
            sheets=[sheet for _, sheet in proven],
            tickets=[ticket for ticket, _ in proven],
            waiting=[(ticket, WAITING) for ticket in found if ticket.jpeg is None],
        )

    async def _rooms(self, after: Key, made: DocumentPart | None) -> Contents | None:
        people = PEOPLE_A_PART[self.document.kind]
        found = [
            (_key(room.place.slot, room.place.site_code, room.plan.code), room)
            for room in await self.items.rooms(self.document, after, self._limit, people)
        ]
        kept = [(key, room) for key, room in found if made is None or _not_after(key, made.last)]
        sheets = [room_sheet_of(room, self.session, self.glyphs) for _, room in kept]
        return _contents(after, [key for key, _ in kept], sheets)

    async def _papers(self, after: Key, made: DocumentPart | None) -> Contents | None:
        found = [
            (_key(place.slot, place.site_code), place, counts)
            for place, counts in await self.items.papers(self.document, after, self._limit)
        ]
        kept = [each for each in found if made is None or _not_after(each[0], made.last)]
        sheets = [paper_sheet_of(place, counts, self.session) for _, place, counts in kept]
        return _contents(after, [key for key, _, _ in kept], sheets)

    @property
    def _limit(self) -> int:
        return ITEMS_A_PART[self.document.kind]


def _contents(after: Key, keys: Sequence[Key], sheets: Sheets) -> Contents | None:
    return Contents(after, keys[-1], len(keys), sheets) if keys else None


def _key(slot: int, *codes: str) -> Key:
    return (str(slot), *codes)


def _not_after(key: Key, last: Key) -> bool:
    return (int(key[0]), *key[1:]) <= (int(last[0]), *last[1:])
