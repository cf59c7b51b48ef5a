"""From a reason to what goes over the wire, and back again on the client's side.

The table is read from the enum options of the contracts, so that a client in any
language reads the same meanings (DESIGN section 2, Errors).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar, cast

import grpc
import structlog
from google.protobuf import any_pb2
from google.protobuf.descriptor import EnumDescriptor, EnumValueDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from zikao.options.v1 import errors_pb2, options_pb2

from zikao_kit.china_time import readable
from zikao_kit.errors import INTERNAL, OVERLOADED, UNAVAILABLE, DomainError, FieldProblem

PREFIX = "ERROR_REASON_"
LOCALE = "zh-CN"
STATUS_DETAILS_KEY = "grpc-status-details-bin"
# Clients refuse more than 8 KiB of metadata, and base64 adds a third.
MAX_STATUS_BYTES = 5500
# Everybody at the door of a full county is told the same.
MAX_SAID = 1000
_REQUEST_ID = "{request_id}"

M = TypeVar("M", bound=Message)
log = structlog.get_logger()
_CODES = {code.value[0]: code for code in grpc.StatusCode}
# What a failure means that carries no reason: the transport or a proxy made it.
_TRANSPORT_REASONS = {
    grpc.StatusCode.UNAVAILABLE: UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: UNAVAILABLE,
    grpc.StatusCode.CANCELLED: UNAVAILABLE,
}

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+[+-]\d\d:\d\d")


@dataclass(frozen=True)
class Meaning:
    """What a reason means: the gRPC code, and a sentence with `{metadata}` in it."""

    code: grpc.StatusCode
    sentence: str


class _Fillings(dict[str, str]):
    """What fills a sentence, as people read it: moments in China's time, not in ISO 8601."""

    def __getitem__(self, key: str) -> str:
        return _readable(super().__getitem__(key))

    def __missing__(self, key: str) -> str:
        # A fault of ours, but no reason to tell the caller less than the rest of the sentence.
        log.error("the sentence of an error lacks a value", lacking=key, metadata=dict(self))
        return "—"


class ErrorTable:
    """Every reason that one service may answer with."""

    def __init__(self, meanings: Mapping[str, Meaning]) -> None:
        self._meanings = meanings
        self._said: dict[tuple[object, ...], bytes] = {}

    @classmethod
    def from_enums(cls, *enums: EnumDescriptor) -> ErrorTable:
        """Read the common reasons and those of `enums`, the services' own `ErrorReason`.

        Raises ValueError for a value that states no meaning, or two that differ.
        """
        meanings: dict[str, Meaning] = {}
        common: EnumDescriptor = errors_pb2.ErrorReason.DESCRIPTOR
        for enum in dict.fromkeys((common, *enums)):
            for value in enum.values:
                if value.number:
                    reason, meaning = _meaning_of(value)
                    if meanings.setdefault(reason, meaning) != meaning:
                        raise ValueError(f"{enum.full_name}: {value.name} has two meanings")
        return cls(meanings)

    def __contains__(self, reason: str) -> bool:
        """Whether the contract knows this reason."""
        return reason in self._meanings

    def code(self, reason: str) -> grpc.StatusCode:
        """Return the gRPC code of a reason (INTERNAL when the contract does not know it)."""
        meaning = self._meanings.get(reason)
        return meaning.code if meaning else grpc.StatusCode.INTERNAL

    def is_service(self, reason: str) -> bool:
        """Whether who is refused so was served: there is no more of what was asked for.

        Other refusals say what is wrong with the request, or that it is to come again.
        """
        return self.code(reason) is grpc.StatusCode.RESOURCE_EXHAUSTED and reason != OVERLOADED

    def sentence(self, error: DomainError, request_id: str) -> str:
        """Return what people are told of an error whose reason is in the table, in Chinese."""
        fillings = _Fillings(error.metadata, request_id=request_id, error_reason=error.reason)
        return self._meanings[error.reason].sentence.format_map(fillings)

    def status(self, error: DomainError, request_id: str, domain: str) -> status_pb2.Status:
        """Build the status of `error`; `domain` is the service's name (`enrollment`).

        A reason without a meaning is a fault of ours: it is logged and becomes INTERNAL.
        """
        error = self._known(error)
        return status_pb2.Status.FromString(self._encoded(error, request_id, domain))

    def trailing(
        self, error: DomainError, request_id: str, domain: str
    ) -> tuple[str, tuple[tuple[str, str | bytes], ...]]:
        """The text for developers, and the trailing metadata that carries the rest of `status`."""
        error = self._known(error)
        details = (STATUS_DETAILS_KEY, self._encoded(error, request_id, domain))
        if error.retry_after is None:
            return _developer_text(error), (details,)
        delay_ms = round(error.retry_after.total_seconds() * 1000)
        return _developer_text(error), (details, ("grpc-retry-pushback-ms", str(delay_ms)))

    def _known(self, error: DomainError) -> DomainError:
        if error.reason in self._meanings:
            return error
        log.error("error reason is not in the contract", error_reason=error.reason)
        return DomainError(INTERNAL)

    def _encoded(self, error: DomainError, request_id: str, domain: str) -> bytes:
        """The status in bytes: messages that follow each other are read as one."""
        described = self._described(error, request_id, domain)
        named = request_id.encode()
        encoded = described + _before_id(len(named)) + named
        if error.retry_after is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromTimedelta(error.retry_after)
            encoded += _detail(retry)
        if error.fields:
            text = status_pb2.Status(message=_developer_text(error)).SerializeToString()
            room = MAX_STATUS_BYTES - len(encoded) - len(text)
            encoded += text + _detail(_bad_request(error.fields, room))
        return encoded

    def _described(self, error: DomainError, request_id: str, domain: str) -> bytes:
        """Code, reason and sentence as a serialized status; those said last are at hand."""
        key = error.reason, domain, *error.metadata.items()
        if (known := self._said.get(key)) is not None:
            return known
        meaning, sentence = self._meanings[error.reason], self.sentence(error, request_id)
        status = status_pb2.Status(code=meaning.code.value[0], message=error.reason)
        status.details.add().Pack(
            error_details_pb2.ErrorInfo(
                reason=error.reason, domain=f"{domain}.zikao", metadata=error.metadata
            )
        )
        status.details.add().Pack(
            error_details_pb2.LocalizedMessage(locale=LOCALE, message=sentence)
        )
        described: bytes = status.SerializeToString()
        if _REQUEST_ID not in meaning.sentence:
            if len(self._said) >= MAX_SAID:
                self._said.clear()
            self._said[key] = described
        return described


def _detail(message: Message) -> bytes:
    """A status of nothing but one detail."""
    packed = any_pb2.Any(
        type_url=f"type.googleapis.com/{message.DESCRIPTOR.full_name}",
        value=message.SerializeToString(),
    )
    encoded: bytes = status_pb2.Status(details=[packed]).SerializeToString()
    return encoded


@lru_cache(maxsize=128)
def _before_id(length: int) -> bytes:
    """A status with nothing but a RequestInfo, up to its id, of so many bytes, which ends it."""
    detail = _detail(error_details_pb2.RequestInfo(request_id="0" * length))
    return detail[: len(detail) - length]


def _readable(text: str) -> str:
    if not _MOMENT.fullmatch(text):
        return text
    return readable(datetime.fromisoformat(text))


def _meaning_of(value: EnumValueDescriptor) -> tuple[str, Meaning]:
    stated = value.GetOptions().Extensions[options_pb2.error]
    if not value.name.startswith(PREFIX) or stated.code not in _CODES or not stated.message_zh:
        raise ValueError(f"{value.name} needs the prefix {PREFIX}, a code and a Chinese sentence")
    return value.name.removeprefix(PREFIX), Meaning(_CODES[stated.code], stated.message_zh)


def _developer_text(error: DomainError) -> str:
    names = ", ".join(problem.field for problem in error.fields[:10])
    return f"{error.reason}: {names}" if names else error.reason


def reason_in_text(details: str) -> str | None:
    """The reason that the text of a failed call begins with, without reading all it carries."""
    reason = details.partition(":")[0]
    return reason if reason.isupper() and reason.replace("_", "").isalpha() else None


def _bad_request(
    problems: tuple[FieldProblem, ...], room_bytes: int
) -> error_details_pb2.BadRequest:
    # A bulk request may break thousands of rules: the client would drop the whole
    # answer if its metadata grew over the limit.
    bad = error_details_pb2.BadRequest()
    for done, problem in enumerate(problems):
        bad.field_violations.add(field=problem.field, description=problem.description)
        if bad.ByteSize() > room_bytes:
            del bad.field_violations[-1]
            bad.field_violations.add(description=f"另有{len(problems) - done}处错误未列出")
            break
    return bad


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """Return the status that a failed call carries; without details when it has none."""
    metadata = cast(Iterable[tuple[str, Any]], error.trailing_metadata() or ())
    for key, packed in metadata:
        if key == STATUS_DETAILS_KEY:
            return status_pb2.Status.FromString(packed)
    return status_pb2.Status(code=error.code().value[0], message=error.details() or "")


def reason_of(error: grpc.aio.AioRpcError) -> str | None:
    """Return the reason a server gave for a failed call, None when it gave none."""
    for info in _details(status_of(error), error_details_pb2.ErrorInfo):
        return str(info.reason)
    return None


def problem_of(error: grpc.aio.AioRpcError) -> DomainError:
    """Return the error as the server raised it, to decide on or to raise again.

    Without a reason: UNAVAILABLE when the call may be tried again, else INTERNAL.
    """
    status = status_of(error)
    reason, metadata = _TRANSPORT_REASONS.get(error.code(), INTERNAL), {}
    for info in _details(status, error_details_pb2.ErrorInfo):
        reason, metadata = info.reason, dict(info.metadata)
    retry_after: timedelta | None = None
    for retry in _details(status, error_details_pb2.RetryInfo):
        retry_after = retry.retry_delay.ToTimedelta()
    fields = [
        FieldProblem(violation.field, violation.description)
        for bad in _details(status, error_details_pb2.BadRequest)
        for violation in bad.field_violations
    ]
    problem = DomainError(reason, fields=fields, retry_after=retry_after)
    problem.metadata.update(metadata)
    return problem


def sentence_of(error: grpc.aio.AioRpcError) -> str:
    """Return the Chinese sentence of a failed call; the transport's text when there is none."""
    for localized in _details(status_of(error), error_details_pb2.LocalizedMessage):
        return str(localized.message)
    return error.details() or error.code().name


def _details(status: status_pb2.Status, kind: type[M]) -> Iterator[M]:
    name = kind.DESCRIPTOR.full_name
    for packed in status.details:
        if packed.type_url.rpartition("/")[2] == name:
            message = kind()
            packed.Unpack(message)
            yield message
