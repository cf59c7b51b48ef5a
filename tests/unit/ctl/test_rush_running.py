"""A rehearsal's own steps, without an installation."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import cast

from zikao_ctl.installation import Installation
from zikao_ctl.rush.opening import Terms
from zikao_ctl.rush.running import Rehearsal
from zikao_ctl.rush.scenario import Scenario


async def test_the_search_for_the_peak_ends_where_people_run_out(tmp_path: Path) -> None:
    """Generators say nothing more then, and answers never lagged: it is over in time."""
    terms = Terms(7, tmp_path, lambda _: None, lambda _: None)
    small = Scenario.load(Path("examples/rush/small.yaml")).scaled(0.01)
    rehearsal = Rehearsal(cast(Installation, None), small, terms)
    async with asyncio.timeout(10):
        await rehearsal.until_it_lags(time.monotonic() + 0.05)
