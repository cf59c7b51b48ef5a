"""The contracts as descriptors, with what their comments say."""

from __future__ import annotations

import importlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FileDescriptor,
    MethodDescriptor,
)
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

ROOT = Path(__file__).parents[2] / "protos"
PROTOS = sorted((ROOT / "zikao").rglob("*.proto"))
# Field numbers in descriptor.proto: FileDescriptorProto.service, ServiceDescriptorProto.method.
_SERVICE, _METHOD = 6, 2
_ERRORS = re.compile(r"^ *Errors: (.*?)\.(?:\n|$)", re.DOTALL | re.MULTILINE)
_REASON = re.compile(r"\b[A-Z][A-Z_]{4,}\b")
_THOSE_OF = re.compile(r"those of ((?:\w+\.)?\w+)")


def file_of(proto: Path) -> FileDescriptor:
    """The descriptor of a proto file, from the generated code."""
    name = proto.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    descriptor = importlib.import_module(f"{name}_pb2").DESCRIPTOR
    assert isinstance(descriptor, FileDescriptor)
    return descriptor


def methods() -> list[MethodDescriptor]:
    """All methods of all contracts."""
    files = map(file_of, PROTOS)
    return [m for file in files for s in file.services_by_name.values() for m in s.methods]


def messages() -> Iterator[Descriptor]:
    """All messages of all contracts."""
    for proto in PROTOS:
        yield from file_of(proto).message_types_by_name.values()


def reason_enums() -> list[EnumDescriptor]:
    """Every ErrorReason, the common one among them."""
    files = (file_of(proto) for proto in PROTOS if proto.name == "errors.proto")
    return [file.enum_types_by_name["ErrorReason"] for file in files]


def reasons_in(enum: EnumDescriptor) -> set[str]:
    """Its reasons, without prefix."""
    return {value.name.removeprefix("ERROR_REASON_") for value in enum.values[1:]}


@cache
def errors_stated() -> Mapping[str, frozenset[str] | None]:
    """The reasons in each method's list "Errors: …" by full name; None without a list."""
    comments = _comments()
    return {
        name: _reasons_stated(name, comments) if _ERRORS.search(comment) else None
        for name, comment in comments.items()
    }


def _reasons_stated(name: str, comments: Mapping[str, str]) -> frozenset[str]:
    found = _ERRORS.search(comments[name])
    assert found, f"{name} states no errors"
    reasons = frozenset(_REASON.findall(found[1]))
    for other in _THOSE_OF.findall(found[1]):
        service = name.rpartition(".")[0]
        within = service.rpartition(".")[0] if "." in other else service
        reasons |= _reasons_stated(f"{within}.{other}", comments)
    return reasons


def _comments() -> dict[str, str]:
    """The comment before each method, by the method's full name."""
    return {
        f"{file.package}.{file.service[at[1]].name}.{file.service[at[1]].method[at[3]].name}": text
        for file in _described().file
        for location in file.source_code_info.location
        if len(at := location.path) == 4 and (at[0], at[2]) == (_SERVICE, _METHOD)
        for text in [location.leading_comments]
    }


def _described() -> FileDescriptorSet:
    """The protos as protoc reads them, comments included: generated code has none."""
    with tempfile.NamedTemporaryFile() as out:
        arguments = ["protoc", f"-I{ROOT}", f"-I{_well_known()}", "--include_source_info"]
        arguments += [f"--descriptor_set_out={out.name}", *map(str, PROTOS)]
        assert protoc.main(arguments) == 0
        return FileDescriptorSet.FromString(Path(out.name).read_bytes())


def _well_known() -> Path:
    return Path(protoc.__file__).parent / "_proto"
