"""An arrangement as lines of JSON, from which anybody can do its draw again."""

import json
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

from zikao_tickets.domain.seating import Seat
from zikao_tickets.domain.states import KEPT_NOTHING, Arrangement
from zikao_tickets.stores.arranging import ArrangingStores

FORMAT = "zikao arrangement 1"
SEATS_PER_PART = 2000


class ExportedPart(NamedTuple):
    """Whole lines, and how many of all seats have come with them and before."""

    lines: bytes
    done: int
    total: int


async def export_part(
    stores: ArrangingStores, arrangement: Arrangement, seed: bytes, cursor: str
) -> ExportedPart:
    """The part at `cursor` ("" for the beginning): the head, then the seats in parts.

    Seats in force that a late change has kept come before those of the arrangement. Before it is
    published there are none, nor their digest, which names them where few places are left: whoever
    knew them could arrange otherwise until they please. Raises DomainError INVALID_REQUEST for a
    cursor that is none, STATE_NOT_ALLOWED without a plan.
    """
    base = await _base(stores, arrangement)
    before = base.counts.sittings if base else 0
    total = before + arrangement.counts.sittings if arrangement.is_revealed else 0
    if not cursor:
        return ExportedPart(_line(await _head(stores, arrangement, seed)), 0, total)
    done = _number(cursor, total)
    if done == total:
        return ExportedPart(b"", done, total)
    if base and done < before:
        limit = min(SEATS_PER_PART, before - done)
        seats = await stores.seating.seats_after(base.arrangement_id, done, limit)
        return ExportedPart(_line({"seats_in_force": seats}), done + len(seats), total)
    seats = await stores.seating.seats_after(
        arrangement.arrangement_id, done - before, SEATS_PER_PART
    )
    return ExportedPart(_line({"seats": seats}), done + len(seats), total)


async def _base(stores: ArrangingStores, arrangement: Arrangement) -> Arrangement | None:
    """The arrangement whose seats were kept, if any."""
    if arrangement.based_on is None or arrangement.anew:
        return None
    return await stores.arrangements.load(arrangement.based_on)


async def _head(stores: ArrangingStores, arrangement: Arrangement, seed: bytes) -> dict[str, Any]:
    stored = await stores.seating.plan(arrangement.arrangement_id)
    if stored is None:
        raise DomainError("STATE_NOT_ALLOWED", state=KEPT_NOTHING)
    rooms = await stores.seating.rooms(arrangement.session_code, arrangement.county_code)
    return {
        "format": FORMAT,
        "arrangement_id": str(arrangement.arrangement_id),
        "session_code": arrangement.session_code,
        "county_code": arrangement.county_code,
        "based_on": _text(arrangement.based_on),
        "anew": arrangement.anew,
        "seed_sha256": arrangement.seed_sha256.hex(),
        "seed": seed.hex(),
        "seats_sha256": arrangement.seats_sha256.hex() if arrangement.is_revealed else "",
        "accessible": list(map(str, stored.accessible)),
        "rooms": [
            [room.site_code, room.code, room.capacity, sorted(room.accessible), room.use]
            for room in rooms
        ],
        "plan": json.loads(zlib.decompress(stored.plan)),
    }


def _text(arrangement_id: UUID | None) -> str:
    return str(arrangement_id) if arrangement_id else ""


def _line(content: dict[str, Any] | dict[str, Sequence[Seat]]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _number(cursor: str, total: int) -> int:
    if not cursor.isascii() or not cursor.isdigit() or int(cursor) > total:
        problem = FieldProblem("cursor", "不是上一部分给出的位置")
        raise DomainError(INVALID_REQUEST, fields=[problem])
    return int(cursor)
