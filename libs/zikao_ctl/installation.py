"""Where the services of an installation listen, and how operators call them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc
from zikao_kit.tls import CertFiles, channel_credentials

REGISTRATION_TARGET = "127.0.0.1:7101"
ENROLLMENT_TARGET = "127.0.0.1:7102"
TICKETS_TARGET = "127.0.0.1:7103"
PAYMENT_TARGET = "127.0.0.1:7104"
OPERATOR = "operator"
"""Name in the certificate of whoever runs the installation (the contracts' `services`)."""

MAX_MESSAGE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Targets:
    """Addresses of the services, `host:port`."""

    registration: str = REGISTRATION_TARGET
    enrollment: str = ENROLLMENT_TARGET
    tickets: str = TICKETS_TARGET
    payment: str = PAYMENT_TARGET


def certificate_of(folder: Path, name: str) -> CertFiles:
    """The files of `name` in a folder as `zikao_kit.tls.DevelopmentCa` lays it out."""
    return CertFiles(cert=folder / f"{name}.pem", key=folder / f"{name}.key", ca=folder / "ca.pem")


def open_operator_channel(target: str, files: CertFiles) -> grpc.aio.Channel:
    """A channel for an operator's calls, each of which brings its own deadline."""
    options = [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ]
    return grpc.aio.secure_channel(f"dns:///{target}", channel_credentials(files), options)
