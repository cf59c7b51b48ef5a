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
# Who is killed in each story, a moment after one another: several are away at once.
STORIES = (("registration", "tickets", "payment"), ("enrollment", "postgres"))
# The moments: after so many have taken seats, and after so many have paid; each victim some later.
FIRST_AT, LATER = {OPENING: 2, PAYING: 3}, 2


@pytest.mark.parametrize("victims", STORIES, ids=" ".join)
async def test_nothing_is_lost(victims: tuple[str, ...], tmp_path: Path) -> None:
    """The story goes on to its end all the same, and every invariant holds."""
    killed: dict[str, list[int]] = {victim: [] for victim in victims}
    moments = {
        (act, first + LATER * number): victim
        for act, first in FIRST_AT.items()
        for number, victim in enumerate(victims)
    }
    layout = Layout(tmp_path / "installation")
    async with (
        run_installation(layout, port_base=None, say=lambda _: None) as installation,
        asyncio.TaskGroup() as killers,
    ):

        async def kill(victim: str) -> None:
            while (process_id := installation.process_ids.get(victim)) is None:
                await asyncio.sleep(0.01)  # it has not come back from the last time
            killed[victim].append(process_id)
            os.kill(process_id, signal.SIGKILL)

        def watch(act: str, done: int, _: int) -> None:
            if victim := moments.pop((act, done), ""):
                killers.create_task(kill(victim))

        people = make_people(SESSION, FEWEST_OTHERS, seed=11)
        counts, violations = await play(
            installation, SESSION, people, tmp_path, say=lambda _: None, on_progress=watch
        )
        survivors = {victim: installation.process_ids[victim] for victim in victims}
    assert {victim: len(set(ids)) for victim, ids in killed.items()} == dict.fromkeys(
        victims, len(FIRST_AT)
    )
    assert not [victim for victim in victims if survivors[victim] in killed[victim]]
    assert counts["verified"] == counts["confirmed"] == len(people) - 1
    assert not any(violations.values()), violations
