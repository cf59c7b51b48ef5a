"""A day of 1,000,000 payments, with one fen and one seat too many: how long until both are found.

    make bench-reconciliation      # out/bench/reconciliation.json

The platform is the sandbox in a process of its own, which streams the day's statement; enrollment
in another takes and compares it. Then the same statement comes once more from a file, by the
command, in the place of the first. The invariants are counted as the auditor does.
"""

from __future__ import annotations

import asyncio
import csv
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import yaml
from support.bench import (
    Rate,
    ServiceProcess,
    end_process,
    migrated,
    own_postgres,
    paths_of,
    report,
    service_process,
)
from support.certificates import channel_credentials
from support.cpu import cpu_seconds
from support.enrollment_audit import violations
from support.enrollment_money_rows import insert_payments, insert_seats
from support.enrollment_reconciliation import AT_NIGHT, DAY
from support.enrollment_sessions import FEE_FEN, small_session
from support.processes import PROC
from support.service import Caller, free_port, move_clock
from zikao.enrollment.v1 import statement_service_pb2 as st
from zikao_enrollment.converts.sessions import session_to_json
from zikao_enrollment.domain.differences import Area
from zikao_enrollment.domain.statements import Day
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.stores.comparisons import ComparisonStore
from zikao_kit.china_time import CHINA
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.queries import Queries
from zikao_kit.tls import DevelopmentCa
from zikao_sandbox.payment_store import PaymentStore

PAYMENTS = 1_000_000
DEAR, DEAR_FEN = 123_456, 1
LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 1200.0
MIDNIGHT = datetime(2022, 2, 27, 16, tzinfo=UTC)


async def main(payments: int) -> None:
    """Make the day, let it be reconciled in both ways, and report."""
    with tempfile.TemporaryDirectory() as name, own_postgres(Path(name)) as admin_dsn:
        folder = Path(name)
        dsn = await migrated(admin_dsn, "enrollment")
        connection = await asyncpg.connect(dsn)
        await _seed(connection, payments)
        seat = await _planted_seat(connection, dsn)
        rows = await connection.fetch(
            "SELECT payment_id, payment_order_id::text AS order_id, amount_fen, paid_at"
            " FROM enrollment.payment ORDER BY paid_at"
        )
        dear = _fill_platform(folder / "platform.sqlite", rows)
        _write_csv(folder / "statement.csv", rows, dear)
        await connection.close()
        began = time.perf_counter()
        async with _installation(folder, dsn) as (service, operator):
            streamed = await _until_compared(operator, began)
            used, peak = cpu_seconds(service.process_id), _peak_megabytes(service.process_id)
            began = time.perf_counter()
            await _import(folder, service.port)
            imported = time.perf_counter() - began
            peak_after = _peak_megabytes(service.process_id)
        found = await _differences(dsn)
        summed = await _sum_seconds(dsn)
    if found != [(dear, "amount_differs", FEE_FEN, FEE_FEN + DEAR_FEN)]:
        raise SystemExit(f"one fen was planted, and found was {found}")
    rates = {
        "lines streamed and stored": Rate(payments, streamed["received"]),
        "lines compared": Rate(payments, streamed["compared"]),
        "lines from a file, compared": Rate(payments, imported),
    }
    report(
        "reconciliation",
        rates,
        {},
        differences_found=len(found),
        seat_found=seat,
        seconds_to_sum_a_day=summed,
        enrollment_cpu_seconds=round(used, 1),
        enrollment_peak_megabytes={"streamed": peak, "from a file": peak_after},
    )


async def _seed(connection: asyncpg.Connection, payments: int) -> None:
    body = session_to_json(small_session())
    await connection.execute(
        "INSERT INTO enrollment.session VALUES ('22.1', 1, $1::text::jsonb, now())", body
    )
    await insert_payments(connection, payments, MIDNIGHT, timedelta(days=1) // (payments + 1))
    await insert_seats(connection)


async def _planted_seat(connection: asyncpg.Connection, dsn: str) -> dict[str, Any]:
    """What the auditor finds of one seat too many, and how long it looks; then it goes again."""
    plant = "UPDATE enrollment.seat_ledger SET held = held + $1 WHERE county_code = $2"
    before = await violations(dsn)  # nothing was told to the feed: seeded rows have no events
    await connection.execute(plant, 1, "510104")
    began = time.perf_counter()
    found = await violations(dsn)
    seconds = time.perf_counter() - began
    await connection.execute(plant, -1, "510104")
    new = {name: count for name, count in found.items() if before.get(name) != count}
    if new != {"enrollment_no_seat_is_lost": 1}:
        raise SystemExit(f"one seat was planted, and found was {new}")
    return {"violations": new, "seconds_for_all_invariants": round(seconds, 1)}


def _fill_platform(path: Path, rows: list[asyncpg.Record]) -> str:
    """The platform has taken the same, and states one fen more of one; its id."""
    PaymentStore(path).close()
    with sqlite3.connect(path) as db:
        db.executemany(
            "INSERT INTO payment_order VALUES (?, ?, ?, ?, 'paid')",
            ((r["order_id"], r["order_id"], r["amount_fen"], 0.0) for r in rows),
        )
        db.executemany(
            "INSERT INTO payment VALUES (?, ?, ?, ?)",
            (
                (r["payment_id"], r["order_id"], r["amount_fen"], r["paid_at"].timestamp())
                for r in rows
            ),
        )
        dear: str = rows[min(DEAR, len(rows) - 1)]["payment_id"]
        db.execute("INSERT INTO falsified VALUES (?, ?)", (dear, FEE_FEN + DEAR_FEN))
    return dear


def _write_csv(path: Path, rows: list[asyncpg.Record], dear: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "payment_id", "order_id", "amount", "time"])
        for row in rows:
            fen = row["amount_fen"] + (DEAR_FEN if row["payment_id"] == dear else 0)
            amount = f"{fen // 100}.{fen % 100:02}"
            at = row["paid_at"].isoformat()
            writer.writerow(["payment", row["payment_id"], row["order_id"], amount, at])


@asynccontextmanager
async def _installation(folder: Path, dsn: str) -> AsyncIterator[tuple[ServiceProcess, Caller]]:
    """The process of enrollment beside that of the platform, and the operator's calls."""
    ca, platform_port, clock_file = DevelopmentCa(folder / "certs"), free_port(), folder / "clock"
    await move_clock(clock_file, AT_NIGHT)
    settings = {
        "registration": {"target": f"127.0.0.1:{free_port()}", "server_name": "registration"},
        "platform": {"target": f"127.0.0.1:{platform_port}", "server_name": "payment-platform"},
        "clock": {"offset_file": str(clock_file)},
        "log": {"level": "error"},
    }
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_platform(folder, ca, platform_port))
        enrollment = service_process(folder, dsn, "enrollment", settings)
        service, _ = await stack.enter_async_context(enrollment)
        credentials = channel_credentials(ca.issue("operator"))
        channel = grpc.aio.secure_channel(f"localhost:{service.port}", credentials)
        yield service, Caller(await stack.enter_async_context(channel))


@asynccontextmanager
async def _platform(folder: Path, ca: DevelopmentCa, port: int) -> AsyncIterator[None]:
    config = {
        "server": {
            "listen": f"127.0.0.1:{port}",
            "tls": paths_of(ca.issue("payment-platform")),
        },
        "database_file": str(folder / "platform.sqlite"),
        "enrollment": {"target": f"127.0.0.1:{free_port()}", "server_name": "enrollment"},
        "clock": {"offset_file": str(folder / "clock")},
        "log": {"level": "error"},
    }
    file = folder / "sandbox.yaml"
    file.write_text(yaml.safe_dump(config))
    arguments = ("-m", "zikao_sandbox", "--config", str(file))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    try:
        yield
    finally:
        await end_process(process)


async def _until_compared(operator: Caller, began: float) -> dict[str, float]:
    """Seconds until all lines were there, and from then on until all were compared."""
    received = 0.0
    while time.perf_counter() - began < PATIENCE_SECONDS:
        listed = await operator.call(st.ListStatementsRequest())
        for statement in listed.statements:
            if statement.state == st.STATEMENT_STATE_COMPARING and not received:
                received = time.perf_counter() - began
            if statement.state == st.STATEMENT_STATE_COMPARED:
                compared = time.perf_counter() - began - received
                return {"received": received, "compared": compared}
        await asyncio.sleep(LOOK_SECONDS)
    raise SystemExit("not compared in time")


async def _import(folder: Path, port: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "zikao_ctl.main", "import-statement"),
        *(str(folder / "statement.csv"), "--date", DAY, "--replace"),
        *("--enrollment", f"localhost:{port}", "--certs", str(folder / "certs")),
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await process.wait():
        raise SystemExit(f"the import has ended with {process.returncode}")


async def _differences(dsn: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT payment_id, kind, here_fen, there_fen FROM enrollment.difference"
        )
    finally:
        await connection.close()
    return [tuple(row) for row in rows]


async def _sum_seconds(dsn: str) -> float:
    """How long the money of the day takes to be summed by county."""
    config = DatabaseConfig(dsn=dsn)
    async with await Database.connect(config, Queries.load(PACKAGE)) as db, db.read() as tx:
        began = time.perf_counter()
        totals = await ComparisonStore(tx).sum_day(Day.of(date.fromisoformat(DAY), CHINA), Area(""))
        seconds = time.perf_counter() - began
    if not totals:
        raise SystemExit("nothing to sum up")
    return round(seconds, 2)


def _peak_megabytes(process_id: int) -> int:
    """The most memory that a process has had."""
    status = (PROC / str(process_id) / "status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else PAYMENTS))
