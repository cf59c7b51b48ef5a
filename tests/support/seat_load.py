"""People who take seats all the time at an installation of a test's own, and who they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from zikao_ctl.apply_session import apply_session
from zikao_ctl.beside import beside
from zikao_ctl.demo.command import DEFAULT_SESSION
from zikao_ctl.faults.load import Load
from zikao_ctl.faults.world import Tokens, make_people, open_session
from zikao_ctl.installation import (
    OPERATOR,
    Installation,
    open_operator_channel,
)
from zikao_ctl.rush.seeding import seed_candidates
from zikao_ctl.session_file import load_session_file
from zikao_kit.channel import open_channel

ROOT = Path(__file__).parents[2]
PEOPLE, CALLS_PER_SECOND = 120, 60.0


@asynccontextmanager
async def seats_taken(installation: Installation, seed: int) -> AsyncIterator[Load]:
    """Yield the load, which runs until the block ends."""
    now, chance = datetime.now(UTC), Random(seed)
    session = open_session(load_session_file(ROOT / DEFAULT_SESSION), now)
    operator = installation.certificate(OPERATOR)
    await apply_session(session, installation.targets, operator, dry_run=False)
    people = make_people(session, PEOPLE, chance)
    await seed_candidates(installation, people, "social", now)
    tokens, portal = await Tokens.open(installation), installation.certificate("portal")
    targets = installation.targets
    async with (
        open_channel(targets.enrollment, portal, server_name="enrollment") as enrollment,
        open_operator_channel(targets.payment, operator) as platform,
    ):
        load = Load(
            session,
            [each.candidate_id for each in people],
            tokens,
            (enrollment, platform),
            chance=chance,
            per_second=CALLS_PER_SECOND,
        )
        async with beside(load.run()):
            yield load
