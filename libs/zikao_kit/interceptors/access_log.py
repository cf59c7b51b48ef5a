"""One line for every call: what, how it ended, how long it took. Never what was in it."""

from __future__ import annotations

import grpc
import structlog

log = structlog.get_logger()
# Faults of ours. All else happens by the thousand when callers want it to.
_ALWAYS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)


class AccessLog:
    """The access log of one method: a line for every `every`-th call, and for every fault.

    0 logs faults only. OK answers of a method that is `polled` are for debugging: by the second
    they would fill disks and tell nothing.
    """

    def __init__(self, every: int, *, polled: bool = False) -> None:
        self._polled = polled
        self._every = every
        self._left = every
        # To find out at each call which lines are wanted costs more than to write none.
        self._log = log.bind()

    def write(self, code: grpc.StatusCode, reason: str | None, seconds: float) -> None:
        """Log a call that ended; method, caller and request id come from the context."""
        if code not in _ALWAYS and not self._is_turn():
            return
        is_debug = self._polled and code is grpc.StatusCode.OK
        write = self._log.debug if is_debug else self._log.info
        write("rpc", grpc_code=code.name, reason=reason, duration_ms=round(seconds * 1000, 2))

    def _is_turn(self) -> bool:
        if self._every == 0:
            return False
        self._left -= 1
        if self._left > 0:
            return False
        self._left = self._every
        return True
