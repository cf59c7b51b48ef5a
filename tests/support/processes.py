"""What processes of the machine are there, for tests that kill them."""

from zikao_ctl.processes import PROC, family_of, is_alive

__all__ = ["PROC", "family_of", "is_alive"]
