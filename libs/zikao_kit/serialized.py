"""Answers that many callers get: put into bytes once, not once a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, cast

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Serialized:
    """What a method may answer in place of a message: the message's bytes."""

    body: bytes


def answered(_: type[M], body: bytes) -> M:
    """Return a message's bytes as `Serialized`: an answer that is stored or came from a batch.

    To a type checker it is the message, as of `serialized`.
    """
    return cast(M, Serialized(body))


def serialized(message: M) -> M:
    """Return a message as `Serialized`, for as many calls as there are.

    To a type checker it stays the message, because that is what callers get; nothing but the
    server can read it.
    """
    return cast(M, Serialized(message.SerializeToString()))
