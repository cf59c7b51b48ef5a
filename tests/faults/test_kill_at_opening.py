"""kill -9 of any one of the processes while people take seats and pay."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from zikao_ctl.demo.command import DEFAULT_SESSION, FEWEST_OTHERS, play
from zikao_ctl.demo.enrolling import OPENING
from zikao_ctl.demo.paying import PAYING
from zikao_ctl.demo.people import make_people
from zikao_ctl.installation import run_installation
from zikao_ctl.layout import Layout
from zikao_ctl.session_file import load_session_file

ROOT = Path(__file__).parents[2]
SESSION = load_session_file(ROOT / DEFAULT_SESSION)
# The moments: after so many have taken seats, and after so many have paid.
MOMENTS = ((OPENING, 2), (PAYING, 3))


@pytest.mark.parametrize("victim", ["registration", "enrollment", "tickets", "payment", "postgres"])
async def test_nothing_is_lost(victim: str, tmp_path: Path) -> None:
    """The story goes on to its end all the same, and every invariant holds."""
    killed: list[int] = []
    moments = set(MOMENTS)
    layout = Layout(tmp_path / "installation")
    async with (
        run_installation(layout, port_base=None, say=lambda _: None) as installation,
        asyncio.TaskGroup() as killers,
    ):

        async def kill() -> None:
            while (process_id := installation.process_ids.get(victim)) is None:
                await asyncio.sleep(0.01)  # it has not come back from the last time
            killed.append(process_id)
            os.kill(process_id, signal.SIGKILL)

        def watch(act: str, done: int, _: int) -> None:
            if (act, done) in moments:
                moments.remove((act, done))
                killers.create_task(kill())

        people = make_people(SESSION, FEWEST_OTHERS, seed=11)
        counts, violations = await play(
            installation, SESSION, people, tmp_path, say=lambda _: None, on_progress=watch
        )
        survivor = installation.process_ids[victim]
    assert len(set(killed)) == len(MOMENTS)
    assert survivor not in killed
    assert counts["verified"] == counts["confirmed"] == len(people) - 1
    assert not any(violations.values()), violations
