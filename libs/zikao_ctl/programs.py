"""The processes of an installation: their command lines and what each is told.

A process more is a `Part` more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import yaml
from zikao_kit.config import CertFiles, host_and_port
from zikao_kit.files import write_whole
from zikao_kit.roles import service_dsn
from zikao_kit.tls import DevelopmentCa

from zikao_ctl.database_server import DatabaseServer
from zikao_ctl.layout import Layout
from zikao_ctl.ports import HOST
from zikao_ctl.secret_files import SecretFiles
from zikao_ctl.supervisor import Program

# Nobody balances load here, and a second `up` should not wait for the first.
DRAIN_WAIT_SECONDS = 0.2
DRAIN_GRACE_SECONDS = 5.0

OUTSIDE = "outside"
# There is no portal: one who tries takes code and state from the browser's address.
REDIRECT_URI = "https://portal.localhost/login"

Settings = dict[str, Any]


@dataclass(frozen=True)
class Surroundings:
    """What the configurations are made of; `database_address`: where services find the server."""

    layout: Layout
    ports: Mapping[str, int]
    ca: DevelopmentCa
    secrets: SecretFiles
    server: DatabaseServer
    parts: tuple[Part, ...]
    database_address: str

    def target(self, name: str) -> str:
        """Where a part listens."""
        return f"{HOST}:{self.ports[name]}"

    def target_of(self, service: str) -> str:
        """Where a service is found: at the one process of it, or at all in turn."""
        found = [self.target(part.name) for part in self.parts if part.service == service]
        return found[0] if len(found) == 1 else f"ipv4:{','.join(found)}"


@dataclass(frozen=True)
class Part:
    """A process: `name` (also of its port), what Python runs, its name in certificates.

    `settings` gives the sections that not every part has. `replica_of` names the service of
    which it is one process more.
    """

    name: str
    module: tuple[str, ...]
    settings: Callable[[Surroundings], Settings]
    certificate: str = ""
    replica_of: str = ""

    @property
    def service(self) -> str:
        """What callers look for."""
        return self.replica_of or self.name

    @property
    def certificate_name(self) -> str:
        """The last part of the certificate's URI SAN."""
        return self.certificate or self.service


def _registration(at: Surroundings) -> Settings:
    return _database(at, "registration") | _key_ring(at, "registration") | _reaching_out(at)


def _reaching_out(at: Surroundings) -> Settings:
    """How registration reaches candidates, and the government: what the part `outside` plays."""
    secret = str(at.secrets.password_file(OUTSIDE))
    ca_file = str(at.ca.issue(OUTSIDE).ca_file)
    mail_host, mail_port = host_and_port(at.target("mail"))
    return {
        "mail": {
            "host": mail_host,
            "port": mail_port,
            "sender": "no-reply@zikao.example",
            "ca_file": ca_file,
            "user": "registration",
            "password_file": secret,
        },
        "sms": {
            "url": f"https://{at.target('sms')}/v1/messages",
            "key_file": secret,
            "ca_file": ca_file,
        },
        "identity_provider": {
            "issuer": f"https://{at.target('identity')}",
            "client_id": "registration",
            "client_secret_file": secret,
            "redirect_uri": REDIRECT_URI,
            "ca_file": ca_file,
        },
    }


def _outside(at: Surroundings) -> Settings:
    return {
        "secret_file": str(at.secrets.password_file(OUTSIDE)),
        "sms_listen": at.target("sms"),
        "mail_listen": at.target("mail"),
        "mail_folder": str(at.layout.mails),
        "identity_listen": at.target("identity"),
        "redirect_uri": REDIRECT_URI,
    }


def _enrollment(at: Surroundings) -> Settings:
    return (
        _database(at, "enrollment")
        | _peer(at, "registration", "registration", "registration")
        | _peer(at, "platform", "payment", "payment-platform")
    )


def _tickets(at: Surroundings) -> Settings:
    return (
        _database(at, "tickets")
        | _key_ring(at, "tickets")
        | _peer(at, "registration", "registration", "registration")
        | _peer(at, "enrollment", "enrollment", "enrollment")
    )


def _payment(at: Surroundings) -> Settings:
    database_file = str(at.layout.payment_ledger)
    return {"database_file": database_file} | _peer(at, "enrollment", "enrollment", "enrollment")


PARTS = (
    Part("registration", ("zikao_registration", "serve"), _registration),
    Part("enrollment", ("zikao_enrollment", "serve"), _enrollment),
    Part("tickets", ("zikao_tickets", "serve"), _tickets),
    Part("payment", ("zikao_sandbox",), _payment, certificate="payment-platform"),
    Part(OUTSIDE, ("zikao_sandbox.outside",), _outside),
)


ENROLLMENT_REPLICA = "enrollment-2"


def parts_with(enrollments: int) -> tuple[Part, ...]:
    """The processes of an installation with one or two of enrollment."""
    if enrollments == 1:
        return PARTS
    first = next(part for part in PARTS if part.name == "enrollment")
    return (*PARTS, replace(first, name=ENROLLMENT_REPLICA, replica_of=first.name))


def write_program(part: Part, at: Surroundings) -> Program:
    """Write the part's configuration file; return how to run it."""
    config = at.layout.config / f"{part.name}.yaml"
    config.parent.mkdir(exist_ok=True)
    write_whole(config, yaml.safe_dump(settings_of(part, at), sort_keys=False))
    command = (sys.executable, "-m", *part.module, "--config", str(config))
    return Program(part.name, command, os.environ, at.layout.logs / f"{part.name}.log")


def settings_of(part: Part, at: Surroundings) -> Settings:
    """All that a part is told."""
    return _common(part, at) | part.settings(at)


def _common(part: Part, at: Surroundings) -> Settings:
    return {
        "server": {
            "listen": at.target(part.name),
            "tls": _tls(at.ca.issue(part.certificate_name)),
            "reflection": True,
            "metrics_port": at.ports[f"{part.name}-metrics"],
            "drain_wait_seconds": DRAIN_WAIT_SECONDS,
            "drain_grace_seconds": DRAIN_GRACE_SECONDS,
        },
        "clock": {"offset_file": str(at.layout.clock_file)},
    }


def _tls(files: CertFiles) -> Settings:
    return {name: str(path) for name, path in asdict(files).items()}


def _database(at: Surroundings, service: str) -> Settings:
    dsn = dsn_of(at, service)
    return {"database": {"dsn_file": str(at.secrets.dsn_file(service, dsn))}}


def dsn_of(at: Surroundings, service: str) -> str:
    """The DSN of a service's own role."""
    password = at.secrets.password(service)
    return service_dsn(at.database_address, at.server.database, service, password)


def _key_ring(at: Surroundings, service: str) -> Settings:
    return {"key_ring_file": str(at.secrets.key_ring_file(service))}


def _peer(at: Surroundings, section: str, part: str, certificate: str) -> Settings:
    return {section: {"target": at.target_of(part), "server_name": certificate}}
