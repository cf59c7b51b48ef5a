"""The one error that commands raise; knows neither grpc nor protobuf.

What a reason means on the wire is in the contracts (`zikao.options.v1.error`)
and is read from there by `zikao_kit.error_table`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

# The common reasons, in the order of `zikao.options.v1.ErrorReason`.
INVALID_REQUEST = "INVALID_REQUEST"
DEADLINE_REQUIRED = "DEADLINE_REQUIRED"
DEADLINE_TOO_SHORT = "DEADLINE_TOO_SHORT"
TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 - the name of a reason
TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - the name of a reason
PERMISSION_DENIED = "PERMISSION_DENIED"
OUT_OF_SCOPE = "OUT_OF_SCOPE"
METHOD_NOT_PERMITTED = "METHOD_NOT_PERMITTED"
REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
OVERLOADED = "OVERLOADED"
INTERNAL = "INTERNAL"
UNAVAILABLE = "UNAVAILABLE"
NOT_FOUND = "NOT_FOUND"
SESSION_UNKNOWN = "SESSION_UNKNOWN"
SESSION_CHANGE_REFUSED = "SESSION_CHANGE_REFUSED"

# These pass by themselves: nothing was changed, or the request id makes the repetition safe.
NOT_NOW = frozenset({UNAVAILABLE, OVERLOADED, DEADLINE_TOO_SHORT})


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field: its path in the request, and a Chinese sentence."""

    field: str
    description: str


class DomainError(Exception):
    """A rule said no.

    `reason` is the name of an enum value of `zikao.options.v1.ErrorReason` or of
    the service's own `ErrorReason`, without the prefix `ERROR_REASON_`.
    `metadata` goes over the wire as text and fills the sentence of the reason:
    it must hold nothing that the caller may not know.
    """

    def __init__(
        self,
        reason: str,
        /,
        *,
        fields: Sequence[FieldProblem] = (),
        retry_after: timedelta | None = None,
        **metadata: object,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fields = tuple(fields)
        self.retry_after = retry_after
        self.metadata = {key: str(value) for key, value in metadata.items()}

    def __str__(self) -> str:
        """Reason and metadata, for logs and test reports."""
        details = [f"{key}={value}" for key, value in self.metadata.items()]
        details += [problem.field for problem in self.fields]
        return f"{self.reason} ({', '.join(details)})" if details else self.reason


def forget_frames(error: DomainError) -> None:
    """Let go of the frames that `error` and its causes came through, once its caller was told.

    One of them may hold the error, as a local or in what is answered. Such a circle is freed by
    the collector alone, and its memory is cold by then: that was a third of a sold-out answer.
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None
