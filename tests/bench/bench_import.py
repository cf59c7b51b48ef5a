"""How fast older candidates are imported: client, server and PostgreSQL on this machine.

make bench-import        # out/bench/import.json
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from PIL import Image
from support.bench import BenchService, Rate, own_postgres, rate_of, registration_process, report
from support.older_csv import csv_row, write_csv, write_photos
from support.registration_people import session_part
from support.service import new_id
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import session_service_pb2 as session
from zikao_client import patiently
from zikao_sandbox.portraits import portrait_jpeg

ROWS = 100_000
# Different ones; a tenth of the rows is enough. Some 20 KB as old systems have them, and some
# 40 KB as a photo studio makes them.
PHOTOS, PHOTO_SHARE = 20, 10
PHOTO_QUALITIES = (75, 92)
EMPTY_SECONDS = 5.0


async def main(rows: int) -> None:
    """Import files of all kinds, each into its own range of numbers, and report."""
    with tempfile.TemporaryDirectory() as name, own_postgres(Path(name)) as dsn:
        folder = Path(name)
        async with registration_process(folder, dsn) as service:
            await _apply_session(service)
            empty = await _empty_calls(service)
            rates = {"empty calls": empty} | await _imports(service, folder, rows)
            (size,) = await _query(service.dsn, "SELECT pg_database_size(current_database())")
    plain = rates["rows"]
    report(
        "import",
        rates,
        {"rows per empty call": plain.per_second / empty.per_second},
        seconds_for_100_000={
            kind: round(100_000 / rate.per_second, 1)
            for kind, rate in rates.items()
            if rate is not empty
        },
        database_megabytes=size[0] // 1024 // 1024,
    )


async def _imports(service: BenchService, folder: Path, rows: int) -> dict[str, Rate]:
    kinds: dict[str, tuple[int, Callable[[int], list[str]]]] = {
        "rows": (rows, csv_row),
        "rows with account": (rows // 5, lambda n: csv_row(2 * rows + n, has_account=True)),
    }
    for place, jpegs in enumerate(map(_portraits, PHOTO_QUALITIES)):
        names = write_photos(folder / "photos", jpegs)
        size = round(sum(map(len, jpegs)) / len(jpegs) / 1000)
        first = 3 * rows + place * rows // PHOTO_SHARE
        kinds[f"rows with photos of {size} KB"] = (
            rows // PHOTO_SHARE,
            partial(_row_with_photo, first, names),
        )
    rates = {}
    for kind, (count, make) in kinds.items():
        path = write_csv(folder / f"{kind.replace(' ', '_')}.csv", count, make=make)
        rates[kind] = Rate(count, await _import(service, path, folder / "photos"))
    (known,) = await _query(service.dsn, "SELECT count(*) FROM registration.older_record")
    if known[0] != sum(count for count, _ in kinds.values()):
        raise RuntimeError(f"{known[0]} older candidates")
    again = folder / "rows.csv"
    rates["rows that are there"] = Rate(
        rows, await _import(service, again, folder / "photos", "--again")
    )
    return rates


def _row_with_photo(first: int, names: Sequence[str], number: int) -> list[str]:
    return csv_row(first + number, photo=names[number % len(names)])


def _portraits(quality: int) -> list[bytes]:
    """Photos of JPEG quality `quality`."""
    encoded = []
    for seed in range(PHOTOS):
        buffer = io.BytesIO()
        portrait = Image.open(io.BytesIO(portrait_jpeg(seed, "男")))
        portrait.save(buffer, "JPEG", quality=quality)
        encoded.append(buffer.getvalue())
    return encoded


async def _import(service: BenchService, path: Path, photos: Path, *options: str) -> float:
    """Seconds of the command, from its start to its end."""
    certs = service.ca.issue("operator").cert_file.parent
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "zikao_ctl.main", "import-candidates", str(path)),
        *("--photos", str(photos), "--certs", str(certs), *options),
        *("--registration", f"localhost:{service.port}"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await process.wait():
        raise RuntimeError(f"the import has ended with {process.returncode}")
    return time.perf_counter() - started


async def _apply_session(service: BenchService) -> None:
    async with service.caller("operator") as operator:
        request = session.ApplySessionRequest(request_id=new_id(), session=session_part())
        await patiently(lambda: operator.call(request))


async def _empty_calls(service: BenchService) -> Rate:
    """What the server answers of calls that do nothing."""

    async def work() -> int:
        calls, until = 0, time.perf_counter() + EMPTY_SECONDS
        async with service.caller("portal") as portal:
            while time.perf_counter() < until:
                await portal.call(accounts.ListSigningKeysRequest())
                calls += 1
        return calls

    return await rate_of([work] * 8)


async def _query(dsn: str, sql: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
