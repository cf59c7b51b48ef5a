"""Write docs/api from the contracts, a page for each file of protos/; --check only compares.

All that the pages say stands in the protos: services, methods, messages and enums with their
comments, who may call, limits, rules and errors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from contract_rules import rules_of
from contract_source import REASON_PREFIX, ROOT, Contracts, Named, read_contracts
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    MethodDescriptorProto,
    MethodOptions,
    ServiceDescriptorProto,
)
from google.rpc import code_pb2
from zikao.options.v1 import options_pb2

FOLDER = ROOT / "docs" / "api"
GENERATED = "Made from `protos/{}` by `make protos`."
DEFAULT_REQUEST_KIB = 16
# The sandbox plays others in rehearsals and is no contract of an installation.
LEFT_OUT = "zikao/sandbox/"
INTRODUCTION = """# API reference

Every service, method, message and error of the contracts in [`protos/`](../../protos/zikao), made
from them by `make protos`. How to call: [client.md](../client.md) from Python,
[grpcurl.md](../grpcurl.md) from a shell; what may change: [versioning.md](../versioning.md).

- **Who may call**: by the certificate of the system that calls, or by the access token of a person
  in the metadata `authorization: Bearer …`. A token counts only through the system it was issued
  to.
- **Deadline**: every call needs one, but for subscriptions, which end with their connection.
- **Repeating**: the same `request_id` with the same body returns the first answer; with another
  body it is refused as `REQUEST_ID_REUSED`. What may be repeated is marked.
- **Errors**: beside those of a method every method may answer with those of
  [every service](../errors.md#every-service). Decide by reason, never by text."""
SHED = {
    "PRIORITY_PAYMENT": "payment: shed last",
    "PRIORITY_SUBMIT": "submit",
    "PRIORITY_JOIN": "join",
    "PRIORITY_READ": "read",
    "PRIORITY_PRINT": "print: shed first",
}
DEPRECATED = "**deprecated**"
READING = ("Get", "List", "BatchGet")


def page_path(file: str) -> PurePosixPath:
    """Where a file's page is in docs/api: zikao/tickets/v1/types.proto → tickets/types.md."""
    _, part, *_, name = PurePosixPath(file).with_suffix(".md").parts
    return PurePosixPath(part) / name


class Reference:
    """The pages of one set of contracts."""

    def __init__(self, contracts: Contracts) -> None:
        self._contracts = contracts
        self._files = [each for each in contracts.files if not each.name.startswith(LEFT_OUT)]

    def pages(self) -> dict[PurePosixPath, str]:
        """All pages by their path in docs/api."""
        pages = {page_path(file.name): self._page(file) for file in self._files}
        return {PurePosixPath("README.md"): self._index(), **pages}

    def _index(self) -> str:
        parts = [INTRODUCTION]
        for part in dict.fromkeys(page_path(file.name).parts[0] for file in self._files):
            files = [each for each in self._files if page_path(each.name).parts[0] == part]
            parts.append(f"## {part}")
            rows = [self._index_row(file) for file in files]
            parts.append("\n".join(["| page | methods |", "| --- | --- |", *rows]))
        return "\n\n".join(parts) + "\n"

    def _index_row(self, file: FileDescriptorProto) -> str:
        path = page_path(file.name)
        methods = [method.name for service in file.service for method in service.method]
        links = ", ".join(f"[{name}]({path}#{name.lower()})" for name in methods)
        return f"| [{path.stem}]({path}) | {links} |"

    def _page(self, file: FileDescriptorProto) -> str:
        parts = [f"# {file.package}: {page_path(file.name).stem}", GENERATED.format(file.name)]
        parts += [
            line for each in file.service for line in self._service(f"{file.package}.{each.name}")
        ]
        if file.service and (file.message_type or file.enum_type):
            parts.append("## Messages")
        for message in file.message_type:
            parts += self._message(self._contracts.messages[f"{file.package}.{message.name}"])
        for enum in self._contracts.enums.values():
            if enum.file == file.name:
                parts += self._enum(enum)
        if file.extension:
            parts.append("## Options")
            parts.append(
                self._fields(file.name, [f"{file.package}.{e.name}" for e in file.extension])
            )
        return "\n\n".join(parts) + "\n"

    def _service(self, full_name: str) -> Iterator[str]:
        service: Named[ServiceDescriptorProto] = self._contracts.services[full_name]
        yield f"## {service.proto.name}"
        yield prose(service.comment)
        for method in service.proto.method:
            yield from self._method(self._contracts.methods[f"{full_name}.{method.name}"])

    def _method(self, method: Named[MethodDescriptorProto]) -> Iterator[str]:
        proto = method.proto
        asked = self._type(method.file, proto.input_type, streams=proto.client_streaming)
        said = self._type(method.file, proto.output_type, streams=proto.server_streaming)
        yield f"### {proto.name}"
        yield f"`/{method.full_name.rpartition('.')[0]}/{proto.name}` ({asked}) → ({said})"
        if proto.options.deprecated:
            yield DEPRECATED
        yield prose(method.comment)
        facts = [f"| {name} | {fact} |" for name, fact in self._facts(method)]
        yield "\n".join(["| | |", "| --- | --- |", *facts])
        if rows := list(self._errors(method)):
            yield "\n".join(["| error | code | 说明 |", "| --- | --- | --- |", *rows])

    def _facts(self, method: Named[MethodDescriptorProto]) -> Iterator[tuple[str, str]]:
        access = method.proto.options.Extensions[options_pb2.access]
        yield "who may call", callers(access)
        if access.scope_field:
            yield "scope", f"officers and auditors whose scope covers `{access.scope_field}`"
        yield (
            "priority",
            SHED[options_pb2.Priority.Name(access.priority or options_pb2.PRIORITY_READ)],
        )
        yield "deadline", "none: a subscription" if access.long_lived else "needed"
        kib = access.max_request_kib or DEFAULT_REQUEST_KIB
        yield (
            "largest request",
            f"{kib} KiB" + (" a message" if method.proto.client_streaming else ""),
        )
        yield "repeating", self._repeating(method)

    def _repeating(self, method: Named[MethodDescriptorProto]) -> str:
        """As zikao_kit.channel decides it, so that the page says what clients do."""
        fields = {
            field.name
            for field in self._contracts.messages[method.proto.input_type[1:]].proto.field
        }
        if "request_id" in fields:
            return "safe with the same `request_id`"
        if method.proto.name.startswith(READING):
            return "safe: it reads"
        if method.proto.options.idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN:
            return "safe: the request names the one thing it is about"
        return "as said above: it has no request id"

    def _errors(self, method: Named[MethodDescriptorProto]) -> Iterator[str]:
        enums = self._contracts.reason_enums(method.full_name)
        for reason in self._contracts.reasons_of(method):
            for enum in enums:
                values = {value.name: value for value in enum.proto.value}
                if value := values.get(REASON_PREFIX + reason):
                    meaning = value.options.Extensions[options_pb2.error]
                    code = code_pb2.Code.Name(meaning.code)
                    link = f"[`{reason}`](../../errors.md#{section_of(enum.package)})"
                    yield f"| {link} | {code} | {cell(meaning.message_zh)} |"
                    break

    def _message(self, message: Named[DescriptorProto]) -> Iterator[str]:
        yield f"### {message.proto.name}"
        yield prose(message.comment)
        own = rules_of(message.proto.options)
        if own:
            yield "Rules: " + "; ".join(own)
        if message.proto.field:
            names = [f"{message.full_name}.{field.name}" for field in message.proto.field]
            yield self._fields(message.file, names, message.proto)
        else:
            yield "It has no fields."

    def _fields(self, file: str, names: list[str], within: DescriptorProto | None = None) -> str:
        rows = ["| field | type | rules | meaning |", "| --- | --- | --- | --- |"]
        for name in names:
            field = self._contracts.fields[name]
            rules = self._oneof_rules(field.proto, within) + rules_of(field.proto.options)
            if field.proto.options.Extensions[options_pb2.sensitive]:
                rules.append("**sensitive**: never logged")
            if field.proto.options.deprecated:
                rules.append(DEPRECATED)
            kind = self._kind(file, field.proto)
            first, text = f"{field.proto.number} `{field.proto.name}`", cell(prose(field.comment))
            rows.append(f"| {first} | {kind} | {cell('; '.join(rules))} | {text} |")
        return "\n".join(rows)

    @staticmethod
    def _oneof_rules(field: FieldDescriptorProto, within: DescriptorProto | None) -> list[str]:
        """That a field is one of several, of which one may be required."""
        if within is None or not field.HasField("oneof_index") or field.proto3_optional:
            return []
        oneof = within.oneof_decl[field.oneof_index]
        word = "exactly one" if rules_of(oneof.options) else "at most one"
        return [f"{word} of `{oneof.name}`"]

    def _kind(self, file: str, field: FieldDescriptorProto) -> str:
        if not field.type_name:
            name = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
        elif entry := self._map_entry(field.type_name):
            key, value = (self._kind(file, each) for each in entry.field)
            return f"map of {key} to {value}"
        else:
            name = self._type(file, field.type_name)
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            return f"repeated {name}"
        return f"optional {name}" if field.proto3_optional else name

    def _map_entry(self, type_name: str) -> DescriptorProto | None:
        within = self._contracts.messages.get(type_name[1:].rpartition(".")[0])
        nested = within.proto.nested_type if within else ()
        return next((each for each in nested if type_name.endswith(f".{each.name}")), None)

    def _type(self, file: str, type_name: str, *, streams: bool = False) -> str:
        """A type's name, as a link where it is ours."""
        name = type_name[1:]
        named = self._contracts.messages.get(name) or self._contracts.enums.get(name)
        text = name if named is None else linked(file, named)
        return f"stream of {text}" if streams else text

    def _value_comment(self, enum: Named[EnumDescriptorProto], name: str) -> str:
        return cell(prose(self._contracts.value_comments[f"{enum.full_name}.{name}"]))

    def _enum(self, enum: Named[EnumDescriptorProto]) -> Iterator[str]:
        yield f"### {enum.proto.name}"
        yield prose(enum.comment)
        is_reasons = enum.proto.name == "ErrorReason"
        head = "| value | code | 说明 | meaning |" if is_reasons else "| value | meaning |"
        rows = [head, "| --- | --- |" + (" --- | --- |" if is_reasons else "")]
        for value in enum.proto.value:
            text, middle = self._value_comment(enum, value.name), ""
            if value.options.deprecated:
                text = f"{DEPRECATED} {text}"
            if is_reasons and value.number:
                meaning = value.options.Extensions[options_pb2.error]
                middle = f" {code_pb2.Code.Name(meaning.code)} | {cell(meaning.message_zh)} |"
            elif is_reasons:
                middle = " | |"
            rows.append(f"| {value.number} `{value.name}` |{middle} {text} |")
        yield "\n".join(rows)


def callers(access: options_pb2.Access) -> str:
    """Who may call, in words."""
    roles = [
        f"`{options_pb2.Role.Name(role).removeprefix('ROLE_').lower()}`" for role in access.roles
    ]
    ways = []
    if roles:
        text = "an access token of " + " or ".join(roles)
        ways.append(text + (", also a restricted one" if access.restricted_too else ""))
    if access.services:
        names = " or ".join(f"`{name}`" for name in access.services)
        ways.append(f"a certificate of {names}")
    if access.anyone:
        ways.append("any certificate of the installation, without a token")
    return "; ".join(ways) or "nobody"


def linked(file: str, named: Named[DescriptorProto] | Named[EnumDescriptorProto]) -> str:
    """A link from a file's page to a message or enum."""
    name = named.proto.name
    here, there = page_path(file), page_path(named.file)
    if named.file.startswith(LEFT_OUT):
        return name
    if here == there:
        return f"[{name}](#{name.lower()})"
    path = there.name if here.parent == there.parent else f"../{there}"
    return f"[{name}]({path}#{name.lower()})"


def section_of(package: str) -> str:
    """The heading of docs/errors.md that has a package's reasons."""
    part = package.split(".")[1]
    return "every-service" if part == "options" else part


def prose(comment: str) -> str:
    """A comment as Markdown shows it: no tag is meant by what stands in angle brackets."""
    pieces = comment.strip().split("`")
    pieces[::2] = [piece.replace("<", "&lt;").replace("*", r"\*") for piece in pieces[::2]]
    return "`".join(pieces)


def cell(text: str) -> str:
    """A text in one cell of a table."""
    return " ".join(text.replace("|", r"\|").split())


def differing(pages: dict[PurePosixPath, str]) -> list[str]:
    """The pages that are not as they should be, also those that no file has any more."""
    there = {PurePosixPath(each.relative_to(FOLDER).as_posix()) for each in FOLDER.rglob("*.md")}
    changed = {path for path in pages if path not in there or read(path) != pages[path]}
    return sorted(map(str, changed | (there - set(pages))))


def read(path: PurePosixPath) -> str:
    """What a page says now."""
    return (FOLDER / path).read_text(encoding="utf-8")


def main() -> int:
    """Write the pages, or compare them; 1 when they differ."""
    pages = Reference(read_contracts(ROOT / "protos")).pages()
    wrong = differing(pages)
    if "--check" in sys.argv[1:]:
        for path in wrong:
            sys.stderr.write(f"docs/api/{path} differs from the protos: run 'make protos'\n")
        return 1 if wrong else 0
    for path in wrong:
        (FOLDER / path).unlink(missing_ok=True)
    for name in sorted(set(pages) & set(map(PurePosixPath, wrong))):
        place = Path(FOLDER / name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(pages[name], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
