"""Looks at the names of new tickets, so that offices hear of rare characters before printing."""

from zikao_kit.clock import Clock
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database

from zikao_tickets.commands.check_names import note_names
from zikao_tickets.domain.glyphs import Pictures
from zikao_tickets.rendering import RenderPool
from zikao_tickets.stores.glyphs import GlyphStore

# So many are decrypted in some milliseconds, and looked up in one.
NAMES_PER_ROUND = 500


class NameChecks:
    """When a process starts, it looks again at the names on the list: it may have a new font.

    Two processes may look at the same names at once, and say the same.
    """

    def __init__(
        self, db: Database, keys: KeyRing, clock: Clock, pool: RenderPool, pictures: Pictures
    ) -> None:
        self._db = db
        self._keys = keys
        self._clock = clock
        self._pool = pool
        self._pictures = pictures
        self._has_begun = False

    async def work(self) -> bool:
        """Look at some; True while there are more."""
        if not self._has_begun:
            async with self._db.transaction() as tx:
                await GlyphStore(tx, self._keys).recheck()
            self._has_begun = True
        async with self._db.read() as tx:
            store = GlyphStore(tx, self._keys)
            await store.renew(self._pictures)
            tickets = await store.unchecked(NAMES_PER_ROUND)
        if not tickets:
            return False
        missing = await self._pool.missing_glyphs([ticket.name for ticket in tickets])
        async with self._db.transaction() as tx:
            store = GlyphStore(tx, self._keys)
            await note_names(store, self._pictures, tickets, missing, self._clock.now())
        return len(tickets) == NAMES_PER_ROUND
