"""Whether what pods are told is what their programs understand, and whether all of it is there."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import click
from support.contracts import methods
from support.manifests.documents import (
    Document,
    Documents,
    containers,
    is_job,
    mounted_files,
    named,
    of_kind,
    pod,
    sources_of,
    title,
    workloads,
)
from support.services import SERVICES
from zikao.options.v1 import options_pb2
from zikao_enrollment import __main__ as enrollment
from zikao_enrollment.config import EnrollmentConfig
from zikao_kit.config import PeerConfig, ServerConfig, host_and_port, load_config
from zikao_registration import __main__ as registration
from zikao_registration.config import RegistrationConfig
from zikao_sandbox import __main__ as sandbox
from zikao_sandbox.main import SandboxConfig
from zikao_tickets import __main__ as tickets
from zikao_tickets.config import TicketsConfig

# By the last word of an image's name: class of its configuration, prefix of its variables, command.
PROGRAMS: dict[str, tuple[type[Any], str, click.Command]] = {
    "registration": (RegistrationConfig, "ZIKAO_REGISTRATION", registration.main),
    "enrollment": (EnrollmentConfig, "ZIKAO_ENROLLMENT", enrollment.main),
    "tickets": (TicketsConfig, "ZIKAO_TICKETS", tickets.main),
    "sandbox": (SandboxConfig, "ZIKAO_SANDBOX", sandbox.main),
}
# Enrollment serves a contract beside its own.
FOREIGN = {"zikao.payment.v1.PaymentNotificationService": "enrollment"}
FOLDER = "/etc/zikao/config"
# A target that is looked up again and again.
BY_DNS = "dns:///"
# The authorities that are trusted: scripts/roll_out makes it when it is not there.
TRUST = "zikao-trust"


def programs(documents: Documents) -> Iterator[tuple[str, Document, Document]]:
    """Each container of ours: the program in it, its workload, itself."""
    for workload in workloads(documents):
        for container in containers(workload):
            name = container["image"].partition("@")[0].rpartition(":")[0].rpartition("/")[2]
            if name in PROGRAMS:
                yield name, workload, container


def _text(documents: Documents, workload: Document, container: Document) -> str:
    mount = next(m for m in container["volumeMounts"] if m["mountPath"] == FOLDER)
    volume = next(v for v in pod(workload)["volumes"] if v["name"] == mount["name"])
    text: str = named(documents, "ConfigMap", volume["configMap"]["name"])["data"]["config.yaml"]
    return text


def load(documents: Documents, program: str, workload: Document, container: Document) -> Any:
    """What the program makes of its file and its variables; raises what it would."""
    kind, prefix, _ = PROGRAMS[program]
    variables = {one["name"]: one["value"] for one in container.get("env", [])}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(_text(documents, workload, container), encoding="utf-8")
        return load_config(kind, path, variables, prefix)


def server_of(documents: Documents, workload: Document) -> ServerConfig:
    """The server's section of a workload's configuration."""
    program, _, container = next(found for found in programs(documents) if found[1] is workload)
    server: ServerConfig = load(documents, program, workload, container).server
    return server


def configurations_load(documents: Documents) -> list[str]:
    """The program takes its file with its variables, every key of them."""
    problems = []
    for program, workload, container in programs(documents):
        try:
            load(documents, program, workload, container)
        except Exception as error:
            problems.append(f"{title(workload)}: {type(error).__name__}: {error}")
    return problems


def files_are_mounted(documents: Documents) -> list[str]:
    """Every file that a configuration names is a key of a Secret that is mounted there."""
    problems = []
    for program, workload, container in programs(documents):
        mounted = mounted_files(workload, container)
        for where, path in _paths(load(documents, program, workload, container)):
            needless = is_job(workload) and where not in _needed_by(container)
            if str(path) not in mounted and not needless and not str(path).startswith("/tmp/"):
                problems.append(f"{title(workload)}: {where} is {path}, which nothing mounts")
    return problems


def _needed_by(container: Document) -> set[str]:
    """Of a Job: all need the database, and but for what encrypts anew nothing else."""
    keys = {"key_ring_file"} if "reencrypt" in container["args"] else set()
    return {"database.dsn_file"} | keys


def _paths(section: Any, where: str = "") -> Iterator[tuple[str, Path]]:
    for field in fields(section):
        value = getattr(section, field.name)
        name = f"{where}.{field.name}" if where else field.name
        if isinstance(value, Path):
            yield name, value
        elif is_dataclass(value):
            yield from _paths(value, name)


def ports_agree(documents: Documents) -> list[str]:
    """A program listens where its container says, on every address of the pod."""
    problems = []
    for program, workload, container in programs(documents):
        if is_job(workload):
            continue
        server: ServerConfig = load(documents, program, workload, container).server
        stated = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        told = dict([_listening("grpc", server.listen)])
        if server.admin_listen is not None:
            told |= dict([_listening("admin", server.admin_listen)])
        if server.metrics_port is not None:
            told |= dict([_listening("metrics", f"{server.metrics_host}:{server.metrics_port}")])
        if stated != told:
            problems.append(f"{title(workload)}: listens at {told}, says {stated}")
    return problems


def _listening(name: str, address: str) -> tuple[str, int]:
    host, port = host_and_port(address)
    return (name if host == "0.0.0.0" else f"{name} of {host}"), int(port)


def peers_are_there(documents: Documents) -> list[str]:
    """A peer in the cluster is a Service with that port; one outside has a dot in its name."""
    known = {
        (service["metadata"]["name"], port["port"])
        for service in of_kind(documents, "Service")
        for port in service["spec"]["ports"]
    }
    problems = []
    for where, peer in _peers(documents):
        host, port = _host_of(peer)
        if not peer.target.startswith(BY_DNS):
            problems.append(f"{where} is found once and for all")
        if "." not in host and (host, int(port)) not in known:
            problems.append(f"{where} is {peer.target}, which is nobody")
    return problems


def peers_are_asked_for_by_their_hosts(documents: Documents) -> list[str]:
    """The name that a peer's certificate must have is that of the host that is called.

    So the payment platform's is: a target that is changed alone would have nobody accepted.
    """
    return [
        f"{where} is {peer.target}, and its certificate should say {peer.server_name}"
        for where, peer in _peers(documents)
        if _host_of(peer)[0] != peer.server_name
    ]


def _peers(documents: Documents) -> Iterator[tuple[str, PeerConfig]]:
    for program, workload, container in programs(documents):
        config = load(documents, program, workload, container)
        for field in fields(config):
            peer = getattr(config, field.name)
            if isinstance(peer, PeerConfig) and not is_job(workload):
                yield f"{title(workload)}: {field.name}", peer


def _host_of(peer: PeerConfig) -> tuple[str, str]:
    host, _, port = peer.target.removeprefix(BY_DNS).rpartition(":")
    return host, port


def commands_exist(documents: Documents) -> list[str]:
    """What a container runs is a command of its program, with options that it has."""
    problems = []
    with tempfile.NamedTemporaryFile() as file:
        for program, workload, container in programs(documents):
            words = [
                file.name if word.startswith(FOLDER) else word for word in container.get("args", [])
            ]
            try:
                _parse(PROGRAMS[program][2], words)
            except click.ClickException as error:
                problems.append(f"{title(workload)}: {error.format_message()}")
    return problems


def _parse(command: click.Command, words: list[str]) -> None:
    if not isinstance(command, click.Group):
        command.make_context("program", words)
        return
    context = click.Context(command)
    name = words[0] if words else ""
    found = command.get_command(context, name)
    if found is None:
        raise click.UsageError(f"no command {name!r}")
    found.make_context(name, words[1:], parent=context)


def callers_are_named(documents: Documents) -> list[str]:
    """Services say who may call them; whom the contract lets in by name is among them.

    Every list is of a service that there is; who is in no list may call none.
    """
    problems = []
    contracts = callers_by_contract()
    for program, workload, container in programs(documents):
        if program not in SERVICES or is_job(workload):
            continue
        callers = load(documents, program, workload, container).server.callers
        if "*" not in callers:
            problems.append(f"{title(workload)}: a service without a list is open")
        problems += [
            f"{title(workload)}: no service {s}" for s in callers if s not in {*contracts, "*"}
        ]
        for service in (s for s in contracts if _server(s) == program):
            allowed = set(callers.get(service, callers.get("*", ())))
            if missing := contracts[service] - allowed:
                problems.append(f"{title(workload)}: {service} keeps out {sorted(missing)}")
    return problems


def _server(service: str) -> str:
    return FOREIGN.get(service, service.split(".")[1])


@functools.cache
def callers_by_contract() -> dict[str, set[str]]:
    """Full service name -> whom its methods let in by the name in their certificates."""
    found: dict[str, set[str]] = {}
    for method in methods():
        names = method.GetOptions().Extensions[options_pb2.access].services
        found.setdefault(method.containing_service.full_name, set()).update(names)
    return found


def references_resolve(documents: Documents) -> list[str]:
    """Every ConfigMap that is mounted is rendered, or made by scripts/roll_out."""
    known = {one["metadata"]["name"] for one in of_kind(documents, "ConfigMap")} | {TRUST}
    return [
        f"{title(workload)}: there is no ConfigMap {name}"
        for workload in workloads(documents)
        for name in _config_maps(workload)
        if name not in known
    ]


def _config_maps(workload: Document) -> Iterator[str]:
    for volume in pod(workload).get("volumes", []):
        for source, _ in sources_of(volume):
            kind, _, name = source.partition("/")
            if kind == "ConfigMap":
                yield name


def secrets_needed(documents: Documents) -> dict[str, set[str]]:
    """Name -> keys of every Secret that pods mount; all of its keys are listed."""
    needed: dict[str, set[str]] = {}
    for workload in workloads(documents):
        for volume in pod(workload).get("volumes", []):
            for source, items in sources_of(volume):
                kind, _, name = source.partition("/")
                if kind == "Secret":
                    needed.setdefault(name, set()).update({i["key"] for i in items} or {"*"})
    return needed
