"""Which systems may call a gRPC service at all, by the names in their certificates.

The contracts say who may call a method; an operator may say less with `server.callers`, and
take stolen certificates back with `server.refused_certificates`. Both are looked at before
anything that a caller sends, so a system that has no business with a service cannot even have it
verify tokens.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog
from prometheus_client import Counter

from zikao_kit.config import ConfigError
from zikao_kit.errors import PERMISSION_DENIED, DomainError
from zikao_kit.tls import is_peer_name, peer_key

OTHERS = "*"
# How often a system that keeps coming is told of.
TELL_SECONDS = 60.0

REFUSED = Counter(
    "zikao_callers_refused_total",
    "Calls of systems that are not on the service's list, or whose certificate is taken back.",
    ["grpc_service"],
)
log = structlog.get_logger()


class NotListedError(DomainError):
    """PERMISSION_DENIED by a list. Whoever is told has been counted, and said once a minute."""

    def __init__(self, caller: str, refused_certificate: str = "") -> None:
        if refused_certificate:
            super().__init__(
                PERMISSION_DENIED, caller=caller, refused_certificate=refused_certificate
            )
        else:
            super().__init__(PERMISSION_DENIED, caller=caller)


class CallerList:
    """Who may call one service. Made once; a call costs a look into a set or two."""

    def __init__(
        self,
        service: str,
        names: Iterable[str] | None,
        refused: Iterable[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`names`: None for every system; `refused`: fingerprints of keys that are nobody's."""
        self._names = None if names is None else frozenset(names)
        self._refused = frozenset(refused)
        self._service = service
        self._count = REFUSED.labels(service)
        self._monotonic = monotonic
        self._tell_after: dict[tuple[str, str], float] = {}

    def admit(self, caller: str, context: Any) -> None:
        """Raise NotListedError when the caller of that name, "" for none, may not call.

        `context` is the call's `ServicerContext`.
        """
        if self._refused:
            fingerprint = peer_key(context.auth_context())
            if fingerprint in self._refused:
                self._tell("certificate is refused", caller, key=fingerprint)
                raise NotListedError(caller, fingerprint)
        if self._names is not None and caller not in self._names:
            self._tell("caller is not on the list", caller)
            raise NotListedError(caller)

    def _tell(self, event: str, caller: str, **more: str) -> None:
        self._count.inc()
        now, about = self._monotonic(), (event, caller)
        if now >= self._tell_after.get(about, now):
            self._tell_after[about] = now + TELL_SECONDS
            log.warning(event, grpc_service=self._service, refused=caller, **more)


class Callers:
    """The lists of a server, out of `server.callers`, and what `refused_certificates` takes back.

    A service has none where neither says anything: whoever has a certificate may call.
    """

    def __init__(self, lists: Mapping[str, Sequence[str]], refused: Sequence[str] = ()) -> None:
        self._lists = lists
        self._refused = refused
        # All methods of a service share one: it tells of a caller once.
        self._made: dict[tuple[str, bool], CallerList] = {}

    def of(self, service: str) -> CallerList | None:
        """The list of a service, its own or that of all others."""
        return self._list(service, self._lists.get(service, self._lists.get(OTHERS)))

    def only_of(self, service: str) -> CallerList | None:
        """The list of a service that "*" does not speak of."""
        return self._list(service, self._lists.get(service))

    def _list(self, service: str, names: Sequence[str] | None) -> CallerList | None:
        if names is None and not self._refused:
            return None
        which = service, names is None
        if which not in self._made:
            self._made[which] = CallerList(service, names, self._refused)
        return self._made[which]


def check_callers(lists: Mapping[str, Sequence[str]], services: Iterable[str]) -> None:
    """Raise ConfigError for services that there are not, and names that no certificate can have."""
    known, problems = [*services, OTHERS], []
    for service, names in lists.items():
        where = f"server.callers.{service}"
        if service not in known:
            near = difflib.get_close_matches(service, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            problems.append(f"{where}: no service of this server; {hint}")
        problems += [f"{where}: {name!r} is no name" for name in names if not is_peer_name(name)]
    if problems:
        raise ConfigError(problems)
