"""A waiting room before a crowd: whether each has one place, and whether the draw is uniform.

With fresh ids and the seeds that the service makes: as a report, not as a test that chance may
fail. 10,000 candidates with three tabs each, over two processes. And how fast a room admits: at a
ceiling, after its leader was killed, and as fast as a process finishes what comes of it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from bench.waiting_room_admission import measure_ceiling, measure_following
from support.bench import Rate, migrated, own_postgres, report
from support.enrollment_replicas import add_people, replicas
from support.enrollment_rooms import AFTER, EARLY, session_with_room
from support.targets import Target, nothing_owed
from support.waiting_crowd import drawn_crowd, join_all, places_stored
from zikao_ctl.rush.fairness import chi_square, table_of
from zikao_enrollment.domain.waiting import draw

PEOPLE, TABS = 10_000, 3
# Of a whole province, for what a draw costs every process.
MANY = 300_000


async def bench(folder: Path, count: int) -> bool:
    """Measure and report; whether there is nothing that must not be."""
    people = [uuid4() for _ in range(count)]
    with own_postgres(folder) as admin_dsn:
        dsn = await migrated(admin_dsn, "enrollment")
        await add_people(dsn, people)
        async with replicas(dsn, folder, session_with_room(), EARLY) as served:
            begun = time.perf_counter()
            joins = Rate(await join_all(served, people, TABS), time.perf_counter() - begun)
            stored = await places_stored(dsn)
            await served.move_clock(AFTER)
            begun = time.perf_counter()
            crowd = await drawn_crowd(served, people)
            looks = Rate(2 * count, time.perf_counter() - begun)
    with own_postgres(folder / "ceiling") as admin_dsn:
        dsn = await migrated(admin_dsn, "enrollment")
        ceiling = await measure_ceiling(dsn, folder / "ceiling")
    with own_postgres(folder / "following") as admin_dsn:
        dsn = await migrated(admin_dsn, "enrollment")
        following = await measure_following(dsn, folder / "following")
    found = chi_square(table_of([crowd.numbers[each] for each in people]))
    other_numbers = sum(
        crowd.numbers[person] != number for person, number in draw(crowd.draw.seed, people).items()
    )
    targets = {
        "places_too_many_or_too_few": Target(abs(stored - count), at_most=0, is_owed=True),
        "duplicates": Target(crowd.duplicates, at_most=0, is_owed=True),
        "numbers_that_nobody_can_compute": Target(other_numbers, at_most=0, is_owed=True),
        "draw_p": Target(found.p, at_least=0.001),
        "admission_off_by": Target(ceiling["admission_off_by"], at_most=0.05),
        # The lease, and what it takes the next one to notice.
        "leader_missed_seconds": Target(ceiling["leader_missed_seconds"], at_most=3),
    }
    report(
        "waiting_room",
        {"JoinWaitingRoom": joins, "GetPlace": looks},
        {},
        targets=targets,
        people=count,
        tabs=TABS,
        places=stored,
        draw_chi_square=found.value,
        draw_degrees=found.degrees,
        draw_of_300000_seconds=_draw_seconds(),
        admission_at_a_ceiling=ceiling,
        admission_without=following,
    )
    return nothing_owed(targets)


def _draw_seconds() -> float:
    people = [UUID(int=number) for number in range(MANY)]
    begun = time.perf_counter()
    draw(b"s" * 32, people)
    return time.perf_counter() - begun


if __name__ == "__main__":
    with TemporaryDirectory() as directory:
        is_right = asyncio.run(bench(Path(directory), int((sys.argv[1:] or [str(PEOPLE)])[0])))
    sys.exit(not is_right)
