"""The whole session in the order of its acts."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from zikao_ctl.demo.arranging import arrange
from zikao_ctl.demo.enrolling import open_window, plan
from zikao_ctl.demo.paying import let_holds_end, misbehave, pay
from zikao_ctl.demo.printing import print_tickets
from zikao_ctl.demo.registering import register
from zikao_ctl.demo.reviewing import review
from zikao_ctl.demo.stage import Stage
from zikao_ctl.session_model import TRACKS

# Drawing portraits and reading QR codes would hold the event loop.
HANDS = 2


async def rehearse(stage: Stage, out: Path) -> None:
    """Play it all; leaves ticket.pdf, tickets-county.pdf and verification.zkr in `out`.

    Raises StoryBroken when the system does something else than the story expects, and
    zikao_client.CallFailed for a refusal that it does not.
    """
    # Spawned, not forked: gRPC's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(HANDS, mp_context=context) as hands:
        await register(stage, hands)
        await review(stage)
        await plan(stage)
        await misbehave(stage)
        for track in TRACKS:
            crowd = await open_window(stage, track)
            await pay(stage, crowd)
            await let_holds_end(stage, crowd)
        await arrange(stage)
        await print_tickets(stage, out, hands)
