"""Who has come of those who were let in: what tells how many more may be."""

from datetime import timedelta

from zikao_enrollment.domain.waiting import RoomKey


class Arrivals:
    """Those of a process, since it started: who shows a pass for the first time."""

    def __init__(self) -> None:
        self._rooms: dict[RoomKey, _Came] = {}

    def note(self, key: RoomKey, number: int, took: timedelta) -> None:
        """The candidate with a number submits, `took` after it was let in."""
        room = self._rooms.get(key)
        if room is None:
            room = self._rooms[key] = _Came()
        room.note(number, took.total_seconds())

    def at(self, key: RoomKey) -> tuple[int, float]:
        """How many have come from a room, and the sum of seconds that they took."""
        room = self._rooms.get(key)
        return (room.count, room.seconds) if room else (0, 0.0)


class _Came:
    """A bit for each number: some 40 KB for a province."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self._seen = bytearray()

    def note(self, number: int, seconds: float) -> None:
        byte, bit = number >> 3, 1 << (number & 7)
        if byte >= len(self._seen):
            self._seen.extend(bytes(byte + 1 - len(self._seen)))
        if not self._seen[byte] & bit:
            self._seen[byte] |= bit
            self.count += 1
            self.seconds += max(seconds, 0.0)
