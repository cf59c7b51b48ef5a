"""Write docs/errors.md from the error reasons stated in the protos; --check only compares."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from google.protobuf.descriptor import EnumValueDescriptor
from google.rpc import code_pb2
from zikao.options.v1 import options_pb2

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"
PARTS = ("options", "registration", "enrollment", "tickets")
HEAD = """# Errors

Every error is a `google.rpc.Status`. `ErrorInfo.reason` holds one of the reasons below and
`ErrorInfo.metadata` the values in braces; `BadRequest` lists every bad field (of a request with
more than 100 values only the first, unless it is an operator's), `RetryInfo` says when to come
again, `LocalizedMessage` (zh-CN) is for people. Clients decide by reason, never by text.

A status without a reason is not a service's:

- RESOURCE_EXHAUSTED with "Received message larger than max" is the transport's: the message is
  larger than a server takes at all (4 MiB, unless its `max_receive_bytes` says otherwise).
- UNAVAILABLE is of a connection that could not be made or has ended, as all do after some minutes,
  CANCELLED that nobody here has asked for of a server that ends: send the same again.
- INTERNAL with "Internal error from Core" is made by gRPC's own asyncio client in Python when a
  server has ended a stream while parts were being sent: it loses the status that it got
  (grpc/grpc#36066). Open the stream again and send again what was not answered, waiting for each
  answer before the next part: then the status is heard. Servers do not read on to spare such
  clients that: it would cost them without end what others send, and delay every refusal.

This page is made from the protos by `make protos`."""
TABLE_HEAD = "| reason | code | 说明 |\n| --- | --- | --- |"


def section(part: str) -> str:
    """Heading and table of a part's reasons."""
    module = importlib.import_module(f"zikao.{part}.v1.errors_pb2")
    title = "every service" if part == "options" else part
    rows = [row(value) for value in module.ErrorReason.DESCRIPTOR.values[1:]]
    return "\n".join([f"## {title}\n", TABLE_HEAD, *rows])


def row(reason: EnumValueDescriptor) -> str:
    """One line of the table."""
    meaning = reason.GetOptions().Extensions[options_pb2.error]
    name, code = reason.name.removeprefix("ERROR_REASON_"), code_pb2.Code.Name(meaning.code)
    return f"| `{name}` | {code} | {meaning.message_zh} |"


def page() -> str:
    """The whole page."""
    return "\n\n".join([HEAD, *map(section, PARTS)]) + "\n"


def main() -> int:
    """Write the page, or compare it; 1 when it differs."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page():
        return 0
    sys.stderr.write("docs/errors.md differs from the protos: run 'make protos'\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
