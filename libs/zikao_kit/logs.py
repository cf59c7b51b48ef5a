"""Logs: one JSON object a line, with personal data masked wherever it turns up."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable
from typing import Any

import structlog
from google.protobuf.descriptor import Descriptor, ServiceDescriptor
from google.protobuf.message import Message
from structlog.typing import EventDict, Processor, WrappedLogger
from zikao.options.v1 import options_pb2

from zikao_kit.config import LogConfig
from zikao_kit.context import current_call

MASK = "***"
SHORTEST_PERSONAL_NUMBER = 10**10
# 18-digit numbers (residents, permits, permanent residents) and the old 15-digit
# form: DOMAIN section 3. Not within longer words: request ids are full of digits.
_DOCUMENT_NUMBER = re.compile(
    r"(?<![0-9A-Za-z])([1-9]\d{5})(\d{7,8}|\d{5})(\d{3}[0-9Xx])(?![0-9A-Za-z])"
)
_MOBILE_NUMBER = re.compile(r"(?<![0-9A-Za-z])((?:86)?1[3-9]\d)\d{4}(\d{4})(?![0-9A-Za-z])")
_ALWAYS_SENSITIVE = ("authorization", "password", "secret", "token")
# Most lines hold neither: one look for a long number is all that they cost.
_LONG_NUMBER = re.compile(r"\d{11}")
# Ours, whatever a contract calls its fields.
_OWN_KEYS = frozenset(
    {"event", "level", "at", "service", "request_id", "method", "caller", "logger"}
)
# What gRPC says, with where it was, of each answer that could not go out any more.
_GRPC_SERVER, _NOT_TAKEN = "grpc._cython.cygrpc", "ExecuteBatchError raised in core"
_sensitive_names = set(_ALWAYS_SENSITIVE)


def configure_logging(service: str, config: LogConfig) -> None:
    """Send all logs of the process, ours and the libraries', to standard output."""
    shared: list[Processor] = [
        _add_call,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _service_adder(service),
    ]
    rendering: list[Processor] = [structlog.processors.format_exc_info, redact, _renderer(config)]
    level = logging.getLevelNamesMapping()[config.level.upper()]
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    handler.addFilter(_is_worth_a_line)
    logging.basicConfig(handlers=[handler], level=level, force=True)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Not that a caller has gone before it took its answer: callers would fill a disk with it."""
    return record.name != _GRPC_SERVER or not str(record.msg).startswith(_NOT_TAKEN)


def register_sensitive_fields(*services: ServiceDescriptor) -> None:
    """Mask, from now on, whatever is logged under the name of a sensitive field of `services`."""
    seen: set[str] = set()
    for service in services:
        for method in service.methods:
            _sensitive_names.update(_sensitive_in(method.input_type, seen))
            _sensitive_names.update(_sensitive_in(method.output_type, seen))


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask sensitive names, numbers that identify a person, and messages as a whole."""
    for key, value in event.items():
        event[key] = _redacted(key, value)
    return event


def mask_numbers(text: str) -> str:
    """Mask identity numbers (510000********0011) and mobile numbers (138****5678) in a text."""
    if not _LONG_NUMBER.search(text):
        return text
    text = _DOCUMENT_NUMBER.sub(lambda m: m[1] + "*" * len(m[2]) + m[3], text)
    return _MOBILE_NUMBER.sub(r"\1****\2", text)


def _redacted(key: str, value: Any) -> Any:
    if key in _sensitive_names and key not in _OWN_KEYS:
        return MASK
    if isinstance(value, str):  # nearly all of them
        return mask_numbers(value)
    if isinstance(value, dict):
        return {name: _redacted(str(name), item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted("", item) for item in value]
    return _redacted_scalar(value)


def _redacted_scalar(value: Any) -> Any:
    match value:
        case None | bool() | float():
            return value
        case int() if abs(value) < SHORTEST_PERSONAL_NUMBER:
            return value
        case Message():
            return f"<{value.DESCRIPTOR.full_name}>"
        case bytes():
            return f"<{len(value)} bytes>"
    return mask_numbers(str(value))


def _sensitive_in(message: Descriptor, seen: set[str]) -> Iterable[str]:
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        if field.GetOptions().Extensions[options_pb2.sensitive]:
            yield field.name
        if field.message_type is not None:
            yield from _sensitive_in(field.message_type, seen)


def _add_call(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    call = current_call()
    if call is not None:
        event["request_id"] = call.request_id
        event["caller"] = call.caller
        event["method"] = call.method
    return event


def _service_adder(service: str) -> Processor:
    def add_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add_service


def _renderer(config: LogConfig) -> Processor:
    if config.format == "console":
        return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    return structlog.processors.JSONRenderer(serializer=json.dumps, ensure_ascii=False)
