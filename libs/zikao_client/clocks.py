"""The time, also in a rehearsal that moves it."""

from zikao_kit.clock import Clock, OffsetClock, SystemClock

__all__ = ["Clock", "OffsetClock", "SystemClock"]
