"""What a serving process asks of the machine: how it is scheduled, and files it may open."""

from __future__ import annotations

import os
import resource

import structlog

log = structlog.get_logger()


def wake_threads_late() -> None:
    """Let threads that begin from now on not take the core from the one that wakes them.

    gRPC's threads and the event loop's wake each other several times a call. On a core of their
    own each would else take it from the other at once, to do the work of one call: that is a third
    of what a call costs. Needs no privilege. A policy that somebody has chosen is left alone.
    """
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError as error:
        log.warning("a third fewer calls a core: SCHED_BATCH is refused", cause=str(error))


def allow_files(count: int) -> None:
    """Let the process have `count` files open, connections among them; systems say 1,024 often."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < count:
            log.warning("fewer connections than max_connections: open files", limit=allowed)
