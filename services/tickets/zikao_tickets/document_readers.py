"""Who fetches documents: a process makes them for a few at once, and not for one account alone."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from zikao_kit.admission import overloaded

# Each holds a part while its reader takes its time.
MAX_READERS = 16
MAX_READERS_PER_ACTOR = 2


@dataclass
class Reader:
    """An account that fetches documents."""

    actor: str
    line: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a part is made, or waits for its turn: one of each account is among the others."""
    documents: int = 0


class DocumentReaders:
    """Those of a process."""

    def __init__(self) -> None:
        self._readers: dict[str, Reader] = {}

    @contextmanager
    def reading(self, actor: str) -> Iterator[Reader]:
        """Fetch a document inside the block; raises OVERLOADED for one too many."""
        reader = self._readers.get(actor) or Reader(actor)
        in_all = sum(each.documents for each in self._readers.values())
        if in_all >= MAX_READERS or reader.documents >= MAX_READERS_PER_ACTOR:
            raise overloaded()
        self._readers[actor] = reader
        reader.documents += 1
        try:
            yield reader
        finally:
            reader.documents -= 1
            if not reader.documents:
                del self._readers[actor]
