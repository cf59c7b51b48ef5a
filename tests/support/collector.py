"""A collector of spans as operators run one: OTLP over gRPC, with mutual TLS."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from support.services import SERVICES
from zikao_kit.config import CertFiles
from zikao_kit.tls import DevelopmentCa


@dataclass(frozen=True)
class Seen:
    """A span as it came in; ids in hex."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    links: frozenset[str]
    attributes: Mapping[str, str]
    failed: bool


@dataclass
class Collector:
    """Keeps what it is told."""

    port: int
    files: CertFiles
    spans: list[Seen] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def settings(self, sample_ratio: float = 1.0) -> dict[str, str]:
        """The variables that make all services trace to here."""
        values = {
            "ENDPOINT": f"127.0.0.1:{self.port}",
            "CA_FILE": str(self.files.ca_file),
            "CERT_FILE": str(self.files.cert_file),
            "KEY_FILE": str(self.files.key_file),
            "SAMPLE_RATIO": str(sample_ratio),
        }
        return {
            f"ZIKAO_{service.upper()}__TRACING__{name}": value
            for service in SERVICES
            for name, value in values.items()
        }

    def all(self) -> list[Seen]:
        """What has come in so far."""
        with self.lock:
            return list(self.spans)

    def take(self, request: Any) -> None:
        """Keep what one export says."""
        with self.lock:
            self.raw += request.SerializeToString()
            for of_resource in request.resource_spans:
                resource = _values(of_resource.resource.attributes)
                for of_scope in of_resource.scope_spans:
                    self.spans += [_seen(resource["service.name"], each) for each in of_scope.spans]


class _Taking(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def Export(self, request: Any, context: Any) -> Any:
        self._collector.take(request)
        return trace_service_pb2.ExportTraceServiceResponse()


@contextmanager
def collecting(folder: Path) -> Iterator[Collector]:
    """Run a collector on this machine, which takes only certificates of its authority."""
    ca = DevelopmentCa(folder)
    files = ca.issue("otel-collector")
    server = grpc.server(ThreadPoolExecutor(2))
    credentials = grpc.ssl_server_credentials(
        [(files.key_file.read_bytes(), files.cert_file.read_bytes())],
        root_certificates=files.ca_file.read_bytes(),
        require_client_auth=True,
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    collector = Collector(port, ca.issue("services"))
    add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(_Taking(collector), server)
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


def _seen(service: str, span: Any) -> Seen:
    return Seen(
        service=service,
        name=span.name,
        kind=span.kind,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=frozenset(link.trace_id.hex() for link in span.links),
        attributes=_values(span.attributes),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
    )


def _values(attributes: Iterable[Any]) -> dict[str, str]:
    return {
        each.key: str(getattr(each.value, each.value.WhichOneof("value"))) for each in attributes
    }
