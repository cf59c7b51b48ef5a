"""One print at a time for a candidate: who asks in a loop fills no line that others stand in."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from zikao_kit.admission import overloaded


class PrintsInFlight:
    """Whose tickets this process is printing now."""

    def __init__(self) -> None:
        self._candidates: set[UUID] = set()

    @contextmanager
    def only(self, candidate_id: UUID) -> Iterator[None]:
        """Print for the candidate inside the block; DomainError OVERLOADED for a second one."""
        if candidate_id in self._candidates:
            raise overloaded()
        self._candidates.add(candidate_id)
        try:
            yield
        finally:
            self._candidates.remove(candidate_id)
