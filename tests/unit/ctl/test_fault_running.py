"""What a rehearsal of faults says when the database does not stay."""

from __future__ import annotations

import asyncpg
import pytest
from zikao_ctl.faults.running import database_stays
from zikao_ctl.faults.scene import NotRecovered


@pytest.mark.parametrize("error", [TimeoutError(), asyncpg.CannotConnectNowError("starting up")])
def test_a_database_that_hangs_has_not_recovered(error: Exception) -> None:
    """While it is looked at: neither the end of the rehearsal's time nor an interruption."""
    with pytest.raises(NotRecovered, match=type(error).__name__), database_stays():
        raise error
