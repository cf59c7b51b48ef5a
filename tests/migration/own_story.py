"""Plays the demo on an installation of whatever code runs this, with a migration in the middle.

    own_story.py DATABASE_URL SERVICE MIGRATION_FILE SESSION_FILE FOLDER

Run by history.py on the code of a commit: it uses nothing of today's tests, and only what the demo
has had from the first commit with a pair on. The services run when the migration is applied.
"""

import asyncio
import sys
from pathlib import Path

import asyncpg
from zikao_ctl.demo.command import play
from zikao_ctl.demo.people import make_people
from zikao_ctl.installation import Installation, run_installation
from zikao_ctl.layout import Layout
from zikao_ctl.session_file import load_session_file

# The special parts.
OTHERS, SEED = 8, 7


async def main(url: str, service: str, migration: Path, session_file: Path, folder: Path) -> None:
    """Print what became of everybody; exits with what is violated."""
    session = load_session_file(session_file)
    layout = Layout(folder)
    async with run_installation(
        layout, port_base=None, database_url=url, say=lambda _: None
    ) as installation:
        await apply(installation, service, migration.read_text(encoding="utf-8"))
        people = make_people(session, OTHERS, SEED)
        counts, violations = await play(installation, session, people, folder, say=lambda _: None)
    print(", ".join(f"{count} {what}" for what, count in counts.items()))  # noqa: T201
    if broken := sorted(rule for rule, count in violations.items() if count):
        sys.exit(f"violated: {', '.join(broken)}")


async def apply(installation: Installation, service: str, sql: str) -> None:
    """Apply a migration as the service's own role."""
    connection = await asyncpg.connect(installation.admin_dsn)
    try:
        role = await connection.fetchval(
            "SELECT nspowner::regrole::text FROM pg_catalog.pg_namespace WHERE nspname = $1",
            service,
        )
        await connection.execute(f"SET ROLE {role}")
        async with connection.transaction():
            await connection.execute(sql)
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], *map(Path, sys.argv[3:])))
