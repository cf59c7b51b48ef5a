"""Names that no font draws and pictures for them: one method a named query of `glyphs.sql`."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Transaction

from zikao_tickets.domain.glyphs import (
    NamedTicket,
    Pictures,
    SuppliedGlyph,
    SupplyGlyph,
    UnprintableFilter,
    UnprintableTicket,
)
from zikao_tickets.domain.office_acts import Order
from zikao_tickets.domain.person import Person, personal_context


class GlyphStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction, keys: KeyRing) -> None:
        self._tx = tx
        self._keys = keys

    async def renew(self, pictures: Pictures) -> None:
        """Let a process know the pictures of now; they are read only when they are others."""
        state = await self._tx.fetchval("sum_supplied_glyphs")
        if state != pictures.state:
            rows = await self._tx.fetch("list_supplied_glyphs")
            pictures.renew({row["character"]: row["png"] for row in rows}, state)

    async def lock_pictures(self) -> None:
        """Let nobody supply a picture or list a name until the transaction ends."""
        await self._tx.execute("lock_supplied_glyphs")

    async def supplied(self, character: str) -> SuppliedGlyph | None:
        """The picture of a character, if there is one."""
        row = await self._tx.fetchrow("find_supplied_glyph", character)
        return SuppliedGlyph(**row) if row else None

    async def count(self) -> int:
        """How many characters have pictures."""
        count: int = await self._tx.fetchval("count_supplied_glyphs")
        return count

    async def is_wanted(self, session_code: str, county_prefix: str, character: str) -> bool:
        """Whether a name on the list of these counties has the character."""
        place = session_code, county_prefix
        return bool(await self._tx.fetchval("is_glyph_wanted", *place, character))

    async def supply(self, order: Order, act: SupplyGlyph) -> None:
        """Let this be the picture of the character."""
        digest, office = hashlib.sha256(act.png).digest(), order.proposal.county_prefix
        given = act.character, act.png, digest, order.officer, order.now, office
        await self._tx.execute("supply_glyph", *given)

    async def unchecked(self, limit: int) -> list[NamedTicket]:
        """Tickets in force whose names nobody has looked at."""
        rows = await self._tx.fetch("list_unchecked_names", limit)
        return [
            NamedTicket(
                session_code=row["session_code"],
                candidate_id=row["candidate_id"],
                version=row["version"],
                ticket_number=row["ticket_number"],
                name=self._name(row["candidate_id"], row["personal_enc"]),
            )
            for row in rows
        ]

    async def note_checked(self, looked: Iterable[tuple[NamedTicket, str]], now: datetime) -> None:
        """List the tickets whose names have undrawn characters, and the others no more."""
        pairs = list(looked)
        tickets = [ticket for ticket, _ in pairs]
        await self._tx.execute("mark_names_checked", *columns((t[:3] for t in tickets), 3), now)
        undrawn = [(*t[:2], t.ticket_number, characters) for t, characters in pairs if characters]
        await self._tx.execute("note_unprintable_names", *columns(undrawn, 4), now)
        drawn = [ticket[:2] for ticket, characters in pairs if not characters]
        await self._tx.execute("clear_unprintable_names", *columns(drawn, 2))

    async def recheck(
        self,
        session_code: str | None = None,
        county_prefix: str | None = None,
        character: str | None = None,
    ) -> int:
        """Let names on the list be looked at again; how many. None excludes nothing."""
        rows = await self._tx.fetch("recheck_names", session_code, county_prefix, character)
        return len(rows)

    async def clear_arrived_photos(self, session_code: str, county_prefix: str) -> int:
        """Take those off the list whose photo has come; how many."""
        return len(await self._tx.fetch("clear_arrived_photos", session_code, county_prefix))

    async def list_page(
        self, wanted: UnprintableFilter, after: str, limit: int
    ) -> Sequence[UnprintableTicket]:
        """Tickets on the list by number, after `after`."""
        rows = await self._tx.fetch("list_unprintable", *wanted, after, limit)
        return [UnprintableTicket(**row) for row in rows]

    def _name(self, candidate_id: UUID, personal_enc: bytes) -> str:
        context = personal_context(candidate_id)
        return Person.from_bytes(self._keys.decrypt(personal_enc, context)).name
