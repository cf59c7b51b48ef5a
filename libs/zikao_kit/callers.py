"""Which systems may call a gRPC service at all, by the names in their certificates.

The contracts say who may call a method; an operator may say less with `server.callers`. It is
looked at before anything that a caller sends, so a system that has no business with a service
cannot even have it verify tokens.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog
from prometheus_client import Counter

from zikao_kit.config import ConfigError
from zikao_kit.errors import PERMISSION_DENIED, DomainError
from zikao_kit.tls import is_peer_name

OTHERS = "*"
# How often a system that keeps coming is told of.
TELL_SECONDS = 60.0

REFUSED = Counter(
    "zikao_callers_refused_total",
    "Calls of systems that are not on the service's list (server.callers).",
    ["grpc_service"],
)
log = structlog.get_logger()


class NotListedError(DomainError):
    """PERMISSION_DENIED by a list. Whoever is told has been counted, and said once a minute."""

    def __init__(self, caller: str) -> None:
        super().__init__(PERMISSION_DENIED, caller=caller)


class CallerList:
    """Who may call one service. Made once; a call costs a look into `names`."""

    def __init__(
        self,
        service: str,
        names: Iterable[str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.names = frozenset(names)
        self._service = service
        self._refused = REFUSED.labels(service)
        self._monotonic = monotonic
        self._tell_after: dict[str, float] = {}

    def admit(self, caller: str) -> None:
        """Raise NotListedError for a name that is not on the list, or "" for none at all."""
        if caller not in self.names:
            self._tell(caller)
            raise NotListedError(caller)

    def _tell(self, caller: str) -> None:
        self._refused.inc()
        now = self._monotonic()
        if now >= self._tell_after.get(caller, now):
            self._tell_after[caller] = now + TELL_SECONDS
            log.warning("caller is not on the list", grpc_service=self._service, refused=caller)


class Callers:
    """The lists of a server, out of `server.callers`."""

    def __init__(self, lists: Mapping[str, Sequence[str]]) -> None:
        self._lists = {
            service: CallerList(service, names)
            for service, names in lists.items()
            if service != OTHERS
        }
        self._others = lists.get(OTHERS)

    def of(self, service: str) -> CallerList | None:
        """The list of a service, its own or that of all others; None: whoever has a certificate."""
        if service not in self._lists and self._others is not None:
            self._lists[service] = CallerList(service, self._others)
        return self._lists.get(service)

    def only_of(self, service: str) -> CallerList | None:
        """The list of a service that "*" does not speak of."""
        return self._lists.get(service)


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
