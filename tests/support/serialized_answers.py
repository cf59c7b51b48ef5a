"""Answers that services have put into bytes, for tests that call no server."""

from typing import TypeVar

from google.protobuf.message import Message
from zikao_kit.serialized import Serialized

M = TypeVar("M", bound=Message)


def read(answer: M, kind: type[M]) -> M:
    """What callers would get: a message of this kind."""
    assert isinstance(answer, Serialized)
    return kind.FromString(answer.body)
