"""Faults of the network between services and database, which there must have been."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from zikao_ctl.faults.kinds import INJECT
from zikao_ctl.faults.proxy import CuttingProxy
from zikao_ctl.faults.scene import NoEffect
from zikao_ctl.faults.schedule import Fault


@pytest.mark.parametrize("kind", ["cut_all", "lose_network", "refuse_connections"])
async def test_a_network_that_nobody_uses_cannot_be_lost(kind: str) -> None:
    """Without a connection there was no fault, and nobody is turned away afterwards."""
    async with CuttingProxy("postgresql://127.0.0.1:1/none") as proxy:
        scene: Any = SimpleNamespace(proxy=proxy)
        with pytest.raises(NoEffect, match="no connection"):
            await INJECT[kind](scene, Fault(kind, "database connections", 0, 0, 1))
        assert not proxy.refusing
