"""Which method has refused tests for which reason, held against the lists of the contracts.

What is noted was expected: by `Caller.refused`, of a submission in a stream, by the tests that try
every method for one reason. The notes of all processes of a run are judged at its end (conftest),
for only a whole run can have seen everything.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.descriptor import MethodDescriptor
from support.contracts import errors_stated

# Contracts of which every reason of every method is seen.
JUDGED = (
    "zikao.enrollment.v1.",
    "zikao.payment.v1.PaymentNotificationService.",
    "zikao.tickets.v1.",
)

_noted: set[tuple[str, str]] = set()


def note(method: MethodDescriptor, reason: str) -> None:
    """A test got what it expected: this method's refusal for this reason."""
    _noted.add((method.full_name, reason))


def noted() -> list[tuple[str, str]]:
    """What the tests of this process have got, by method."""
    return sorted(_noted)


def missing(seen: Iterable[tuple[str, str]]) -> list[str]:
    """Each reason in the list of a judged method that was not got from it: "Service.Method X"."""
    stated = {
        (method, reason)
        for method, reasons in errors_stated().items()
        if method.startswith(JUDGED)
        for reason in reasons or ()
    }
    return [f"{method} {reason}" for method, reason in sorted(stated - set(seen))]
