"""Two real processes before a room: the leader is frozen, wakes again, and is killed."""

import signal
import time
from pathlib import Path

from support.room_processes import room_processes
from support.service_databases import MakeDatabase
from support.waiting_rooms import limited
from zikao_enrollment.names import SCHEMA

CEILING = 300
WAITING = 20_000


async def test_whoever_leads_nobody_is_let_in_twice(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """The other one takes over from a frozen leader, which wakes as none, and takes over again.

    However the machine is loaded: never more are let in than the ceiling allows in that time.
    """
    dsn = await make_database(SCHEMA)
    async with room_processes(dsn, tmp_path, limited(CEILING), WAITING) as room:
        begun, before = time.monotonic(), await room.look()
        room.send(0, signal.SIGSTOP)
        second = await room.until_led_by_another(before.leader)
        room.send(0, signal.SIGCONT)
        await room.until_working(before.leader)
        assert (await room.look()).leader == second.leader
        room.send(1, signal.SIGKILL)
        third = await room.until_led_by_another(second.leader)
        assert third.leader == before.leader
        elapsed = time.monotonic() - begun
        assert third.admitted_until - before.admitted_until <= CEILING * (elapsed + 1)
        steps = await room.database.fetch(
            "SELECT admitted_from, admitted_until FROM enrollment.waiting_admission"
            " ORDER BY admitted_until"
        )
        ends = [0, *(step["admitted_until"] for step in steps)]
        assert [step["admitted_from"] for step in steps] == ends[:-1]
