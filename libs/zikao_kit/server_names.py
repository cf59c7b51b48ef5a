"""By which name a server at an address has to prove who it is, as callers from outside ask.

Gateways that pass TLS on see of a connection only the name that the caller asks for (SNI,
RFC 6066), and send it on by that. So a host's own name comes first; a service's name is for
addresses that have none of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

_OWN_MACHINE = "localhost"


@dataclass(frozen=True)
class Server:
    """What a channel connects to, and the name that has to be in the certificate found there."""

    target: str
    name: str

    @property
    def address(self) -> str:
        """What `server_at` understands as this one, whatever the service."""
        return f"{self.name}@{self.target}"


def server_at(address: str, service: str) -> Server:
    """Understand an address: `host:port` or a gRPC target, perhaps with `NAME@` before it.

    The name is NAME where one is given; else the host's own; and `service` where there is no
    such name: an IP address, this machine (localhost), several addresses, a socket's path.
    """
    given, _, target = address.rpartition("@")
    return Server(target, given or _own_name(target) or service)


def _own_name(target: str) -> str | None:
    host = _host(target).lower().removesuffix(".")  # a certificate's names end without a dot
    if host == _OWN_MACHINE or host.endswith(f".{_OWN_MACHINE}") or _is_ip(host):
        return None
    return host or None


def _host(target: str) -> str:
    """The one host of a target, "" when it has none."""
    if "," in target or target.startswith(("ipv4:", "ipv6:", "unix:")):
        return ""
    target = target.removeprefix("dns:")
    if target.startswith("//"):  # with the name server that is to be asked, or none
        target = target.removeprefix("//").partition("/")[2]
    host, _, port = target.partition(":")
    return "" if ":" in port else host  # more colons than one: IPv6


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
