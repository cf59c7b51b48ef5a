"""Pausing the search for garbage."""

from __future__ import annotations

import gc

import pytest
from zikao_kit.collecting import collecting_later


def test_it_is_looked_for_afterwards() -> None:
    """Also when what was done has failed, and when two pauses are one in the other."""
    with pytest.raises(ValueError, match="broken"), collecting_later():
        with collecting_later():
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise ValueError("broken")
    assert gc.isenabled()
    gc.disable()
    try:
        with collecting_later():
            pass
        assert not gc.isenabled(), "whoever has switched it off keeps it off"
    finally:
        gc.enable()
