"""The contracts as they are written: descriptors with their comments, read by buf from protos/."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from buf.validate import validate_pb2  # noqa: F401 - its options are parsed where it is known
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)
from zikao.options.v1 import options_pb2  # noqa: F401 - as above

ROOT = Path(__file__).parent.parent
BUF = ROOT / ".venv" / "bin" / "buf"
OURS = "zikao/"
REASON_PREFIX = "ERROR_REASON_"
# Enrollment serves a contract beside its own.
SERVED_BY = {"zikao.payment.v1.PaymentNotificationService": "zikao.enrollment.v1"}
# Field numbers in descriptor.proto, of which the paths of comments are made.
_FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE, _FILE_EXTENSION = 4, 5, 6, 7
_MESSAGE_FIELD, _MESSAGE_ENUM, _ENUM_VALUE, _SERVICE_METHOD = 2, 4, 2, 2
_ERRORS = re.compile(r"^ *Errors: (.*?)\.(?:\n|$)", re.DOTALL | re.MULTILINE)
_REASON = re.compile(r"\b[A-Z][A-Z_]{4,}\b")
_THOSE_OF = re.compile(r"those of ((?:\w+\.)?\w+)")


T = TypeVar("T")


@dataclass(frozen=True)
class Named(Generic[T]):
    """Something of a contract: where it stands, and what its comment says."""

    full_name: str
    file: str
    comment: str
    proto: T

    @property
    def package(self) -> str:
        """The package of its file: zikao.enrollment.v1."""
        return self.file.rpartition("/")[0].replace("/", ".")


class Contracts:
    """All that is in the folder of protos, by full name and in the order of its files."""

    def __init__(self, files: FileDescriptorSet) -> None:
        self.files = [each for each in files.file if each.name.startswith(OURS)]
        self.services: dict[str, Named[ServiceDescriptorProto]] = {}
        self.methods: dict[str, Named[MethodDescriptorProto]] = {}
        self.messages: dict[str, Named[DescriptorProto]] = {}
        self.fields: dict[str, Named[FieldDescriptorProto]] = {}
        self.enums: dict[str, Named[EnumDescriptorProto]] = {}
        self.value_comments: dict[str, str] = {}
        for file in self.files:
            self._read(file)

    def _read(self, file: FileDescriptorProto) -> None:
        said = _comments_of(file)
        for index, service in enumerate(file.service):
            name, path = f"{file.package}.{service.name}", (_FILE_SERVICE, index)
            self.services[name] = Named(name, file.name, said.get(path, ""), service)
            for at, method in enumerate(service.method):
                of_method = said.get((*path, _SERVICE_METHOD, at), "")
                full = f"{name}.{method.name}"
                self.methods[full] = Named(full, file.name, of_method, method)
        for index, message in enumerate(file.message_type):
            self._read_message(file, message, (_FILE_MESSAGE, index), said)
        for index, enum in enumerate(file.enum_type):
            self._read_enum(file, enum, file.package, (_FILE_ENUM, index), said)
        for index, field in enumerate(file.extension):
            full = f"{file.package}.{field.name}"
            of_field = said.get((_FILE_EXTENSION, index), "")
            self.fields[full] = Named(full, file.name, of_field, field)

    def _read_message(
        self,
        file: FileDescriptorProto,
        message: DescriptorProto,
        path: tuple[int, ...],
        said: Mapping[tuple[int, ...], str],
    ) -> None:
        name = f"{file.package}.{message.name}"
        self.messages[name] = Named(name, file.name, said.get(path, ""), message)
        for at, field in enumerate(message.field):
            full = f"{name}.{field.name}"
            of_field = said.get((*path, _MESSAGE_FIELD, at), "")
            self.fields[full] = Named(full, file.name, of_field, field)
        for at, enum in enumerate(message.enum_type):
            self._read_enum(file, enum, name, (*path, _MESSAGE_ENUM, at), said)
        nested = [each.name for each in message.nested_type if not each.options.map_entry]
        if nested:
            raise NotImplementedError(f"messages within {name}: {nested}")

    def _read_enum(
        self,
        file: FileDescriptorProto,
        enum: EnumDescriptorProto,
        within: str,
        path: tuple[int, ...],
        said: Mapping[tuple[int, ...], str],
    ) -> None:
        name = f"{within}.{enum.name}"
        self.enums[name] = Named(name, file.name, said.get(path, ""), enum)
        for at, value in enumerate(enum.value):
            self.value_comments[f"{name}.{value.name}"] = said.get((*path, _ENUM_VALUE, at), "")

    def reasons_of(self, method: Named[MethodDescriptorProto]) -> list[str]:
        """The reasons in the comment's list "Errors: …", those of other methods among them."""
        found = _ERRORS.search(method.comment)
        if found is None:
            return []
        reasons = _REASON.findall(found[1])
        for other in _THOSE_OF.findall(found[1]):
            service = method.full_name.rpartition(".")[0]
            within = service.rpartition(".")[0] if "." in other else service
            reasons += self.reasons_of(self.methods[f"{within}.{other}"])
        return list(dict.fromkeys(reasons))

    def reason_enums(self, method_name: str) -> list[Named[EnumDescriptorProto]]:
        """Where a method's reasons stand: its service's own enum, then the common one."""
        service = method_name.rpartition(".")[0]
        package = SERVED_BY.get(service, service.rpartition(".")[0])
        wanted = (f"{package}.ErrorReason", "zikao.options.v1.ErrorReason")
        return [self.enums[name] for name in wanted if name in self.enums]


def read_contracts(folder: Path) -> Contracts:
    """Read the protos in a folder; raises CalledProcessError, with buf's words printed."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "contracts.binpb"
        command = [str(BUF), "build", str(folder), "--as-file-descriptor-set", "-o", str(out)]
        subprocess.run(command, check=True)  # noqa: S603 - the words are ours
        return Contracts(FileDescriptorSet.FromString(out.read_bytes()))


def _comments_of(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    return {tuple(path): text for path, text in _leading(file)}


def _leading(file: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    for location in file.source_code_info.location:
        if location.leading_comments:
            lines = location.leading_comments.splitlines()
            yield tuple(location.path), "\n".join(line.removeprefix(" ") for line in lines)
