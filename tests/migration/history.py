"""`make upgrades`: the code before each pair of migrations, run for real, and what it leaves.

For each `pre`/`post` pair of the history: services, sandbox and demo of the commit before play a
whole session by themselves, with `pre` applied while they run; then `post`, and what the code that
brought the pair says must hold. No release has the code of those commits, so this is no part of
`make test`: half a minute a pair. The newest release is (test_upgrade.py).
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from backports import tarfile
from support.migration_pairs import Pair, pairs
from support.postgres import test_cluster
from support.released_code import Code, git, lay_out, today
from support.service_databases import with_database
from zikao_ctl.demo.command import DEFAULT_SESSION

OWN_STORY = Path(__file__).with_name("own_story.py")
# Of the code that brought the pair; the clock is the rehearsal's.
JUDGE = """
import asyncio, sys
from pathlib import Path
from zikao_ctl.invariants import count_violations
from zikao_kit.clock import OffsetClock
now = OffsetClock(next(Path(sys.argv[2]).rglob("clock.json"))).now()
counted = asyncio.run(count_violations(sys.argv[1], now))
print(len(counted), "rules,", "violated:", sorted(rule for rule, count in counted.items() if count))
sys.exit(any(counted.values()))
"""
APPLY = """
import asyncio, sys
import asyncpg
async def apply():
    connection = await asyncpg.connect(sys.argv[1])
    await connection.execute(open(sys.argv[2], encoding="utf-8").read())
    await connection.close()
asyncio.run(apply())
"""


def main() -> int:
    """Go through all pairs; 1 when something did not hold."""
    with test_cluster() as cluster, tempfile.TemporaryDirectory(prefix="zikao-history-") as place:
        return max(
            _go_through(pair, cluster.admin_dsn, Path(place) / f"{number}")
            for number, pair in enumerate(pairs())
        )


def _go_through(pair: Pair, admin_dsn: str, folder: Path) -> int:
    began = time.monotonic()
    old = lay_out(pair.before, folder)
    new = lay_out(pair.since, folder) if pair.since else today(folder)
    with tarfile.open(fileobj=io.BytesIO(git("archive", pair.before, "examples"))) as archive:
        archive.extractall(folder, filter="data")
    pre, post = folder / "pre.sql", folder / "post.sql"
    pre.write_text(pair.pre.sql, encoding="utf-8")
    post.write_text(pair.post.sql, encoding="utf-8")
    url = with_database(admin_dsn, f"history_{pair.service}_{pair.pre.number}")
    data = folder / "data"
    told = (url, pair.service, str(pre), str(folder / DEFAULT_SESSION), str(data))
    steps = (
        ("the code before, pre while it runs", old, (str(OWN_STORY), *told)),
        ("post", new, ("-c", APPLY, url, str(post))),
        ("what must hold", new, ("-c", JUDGE, url, str(data))),
    )
    for what, code, arguments in steps:
        failed, said = _run(code, arguments)
        print(f"{pair}: {what}: {said}{'' if failed else ' · ok'}", flush=True)  # noqa: T201
        if failed:
            return 1
    print(f"{pair}: {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
    return 0


def _run(code: Code, arguments: tuple[str, ...]) -> tuple[bool, str]:
    """Whether it failed, and what it said."""
    done = subprocess.run(
        (sys.executable, *arguments),
        env=code.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return bool(done.returncode), done.stderr if done.returncode else done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
