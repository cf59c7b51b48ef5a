"""Who calls, and under which request id: known anywhere below an RPC.

One context variable holds the call in progress. The server sets it before a
method of `rpc.py` runs; background work sets it with `acting_as`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import uuid4

from zikao_kit.tokens import Actor

REQUEST_ID_KEY = "x-request-id"
"""The metadata in which an id travels from service to service."""
TIMEOUT_KEY = "zikao-timeout-ms"
"""How long the caller waits from its own point of view; what lacks to it when the call begins was
spent in queues that no server sees."""
PRIORITY_KEY = "zikao-priority"
"""`read` or `print`: less than the method's own priority, for jobs that can wait."""
ADMISSION_PASS_KEY = "zikao-admission-pass"  # noqa: S105 - a name
"""What the waiting room gave to a candidate whose turn it is."""
ANONYMOUS = Actor(subject="", role="anonymous")


@dataclass(slots=True)
class Call:
    """One RPC (or one piece of background work) while it is in progress.

    `authorization` is what proves the actor, and is looked at again while the call goes on.
    `admission_pass` is what the caller has shown, and nobody has looked at yet; `timeout_ms` how
    long it waits (0 when it did not say), `lowered_to` the priority it asks for. `peer` is its
    connection, as gRPC names it, `shown_bytes` what it has shown of what came over that.
    """

    method: str
    request_id: str
    caller: str = ""
    actor: Actor = ANONYMOUS
    authorization: str | None = field(default=None, repr=False)
    admission_pass: str = field(default="", repr=False)
    timeout_ms: int = 0
    lowered_to: str = ""
    # W3C: where the call stands in its trace; '' when nobody asks for one.
    traceparent: str = ""
    peer: str = ""
    shown_bytes: int = 0


_current: ContextVar[Call | None] = ContextVar("zikao_call", default=None)
set_current_call = _current.set


def current_call() -> Call | None:
    """Return the call in progress, or None outside of one."""
    return _current.get()


def current_actor() -> Actor:
    """Return who calls. Outside of a call this is a programming error (RuntimeError)."""
    call = _current.get()
    if call is None:
        raise RuntimeError("no call in progress: background work needs acting_as()")
    return call.actor


def current_request_id() -> str:
    """Return the id that logs, answers and calls to other services carry; '' outside of a call."""
    call = _current.get()
    return call.request_id if call else ""


def current_admission_pass() -> str:
    """Return the pass of the waiting room that the caller has shown; '' for none."""
    call = _current.get()
    return call.admission_pass if call else ""


@contextmanager
def acting_as(actor: Actor, request_id: str = "") -> Iterator[None]:
    """Run background work (or a test) in the name of `actor`."""
    call = Call("", request_id or str(uuid4()), caller=actor.caller, actor=actor)
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)
