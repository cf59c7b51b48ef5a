"""Certificate files that are replaced while a process runs: key, certificate and authorities.

Whoever replaces them does so file by file, or by swapping the folder that they are links into (as
Kubernetes does with the files of a Secret). What is half written, or does not belong together, is
left alone, and what was good before stays in force.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from prometheus_client import Counter, Gauge

from zikao_kit.config import CertFiles, ConfigError

# How long a new certificate waits to be seen.
LOOK_SECONDS = 1.0

EXPIRY = Gauge(
    "zikao_certificate_expiry_seconds",
    "Time until a certificate in force ends: the process's own, the first of its authorities.",
    ["which"],
)
RELOADS = Counter(
    "zikao_certificate_reloads_total", "Certificates that took effect without a restart.", ["by"]
)
RELOAD_FAILURES = Counter(
    "zikao_certificate_reload_failures_total",
    "Replaced certificate files that cannot be used: those before stay in force.",
    ["by"],
)
log = structlog.get_logger()
_BEGIN = re.compile(rb"-----BEGIN (?:X509 )?CERTIFICATE-----")
_LAST_LINE = re.compile(rb"-----END [A-Z0-9 ]+-----\s*|[^-].*")
# Of each file: which it is, and when it was written. None where there is none.
_State = tuple[tuple[int, int, int, int] | None, ...]


@dataclass(frozen=True)
class Certificates:
    """A key, its certificate (with what comes between it and an authority), the authorities: PEM.

    `begins_at` and `ends_at` are the certificate's own, `authorities_end_at` the first end of an
    authority.
    """

    key: bytes
    chain: bytes
    authorities: bytes
    serial: int
    begins_at: datetime
    ends_at: datetime
    authorities_end_at: datetime

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Call as the certificate says, only servers of the authorities."""
        return grpc.ssl_channel_credentials(self.authorities, self.key, self.chain)

    def can_serve(self) -> bool:
        """Whether gRPC takes it for a server: it says so of a listener, never of what it fetches.

        It refuses keys on curves that it does not know, for one.
        """
        credentials = grpc.ssl_server_credentials([(self.key, self.chain)], self.authorities, True)
        trial = grpc.server(ThreadPoolExecutor(1))
        try:
            # Of Linux: a name without a file, at which nothing is ever answered.
            trial.add_secure_port(f"unix-abstract:zikao-trial-{uuid4().hex}", credentials)
        except RuntimeError:
            return False
        finally:
            trial.stop(None)
        return True

    def server_configuration(self) -> grpc.ServerCertificateConfiguration:
        """Serve as the certificate says."""
        return grpc.ssl_server_certificate_configuration([(self.key, self.chain)], self.authorities)


def read_certificates(files: CertFiles) -> Certificates:
    """Read what belongs together; raises ConfigError, which names the file and never its content.

    Looks neither at the time nor at who issued it: a caller may be of another authority than those
    whom it calls.
    """
    return _read_together(files, None)


def _read_lasting(files: CertFiles, *, of_authorities: bool) -> Certificates:
    """Read what takes the place of others; raises ConfigError also for what is not in force now.

    And for what none of the authorities in force has issued, if it must be `of_authorities`.
    """
    now = datetime.now(UTC)

    def in_force(each: x509.Certificate) -> bool:
        return each.not_valid_before_utc <= now < each.not_valid_after_utc

    found = _read_together(files, in_force if of_authorities else None)
    if found.ends_at <= now:
        raise ConfigError([f"{files.cert_file}: ended at {found.ends_at.isoformat()}"])
    if found.begins_at > now:
        raise ConfigError([f"{files.cert_file}: begins at {found.begins_at.isoformat()}"])
    return found


def _read_together(
    files: CertFiles, counts: Callable[[x509.Certificate], bool] | None
) -> Certificates:
    """`counts` says which authorities may have issued it; None: whoever has."""
    key, chain, authorities = map(_read, (files.key_file, files.cert_file, files.ca_file))
    leaf, *between = _parsed(chain, files.cert_file)
    if _public_key_of(key, files.key_file) != leaf.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    ):
        raise ConfigError([f"{files.key_file}: the key is not that of {files.cert_file}"])
    known = _parsed(authorities, files.ca_file)
    if counts and not _leads_to(leaf, between, [each for each in known if counts(each)]):
        raise ConfigError(
            [f"{files.cert_file}: not of an authority in {files.ca_file}, or of one not in force"]
        )
    return Certificates(
        key=key,
        chain=chain,
        authorities=authorities,
        serial=leaf.serial_number,
        begins_at=leaf.not_valid_before_utc,
        ends_at=leaf.not_valid_after_utc,
        authorities_end_at=min(each.not_valid_after_utc for each in known),
    )


def _leads_to(
    leaf: x509.Certificate,
    between: Sequence[x509.Certificate],
    authorities: Iterable[x509.Certificate],
) -> bool:
    """Whether one of the authorities issued the leaf, or what issued it and so on."""
    known, left, current = list(authorities), list(between), leaf
    while not any(_is_issued(current, by) for by in known):
        issuers = [each for each in left if _is_issued(current, each)]
        if not issuers:
            return False
        current = issuers[0]
        left.remove(current)
    return True


def _is_issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False  # another key; another name; a key that signs nothing
    return True


class CertificateWatch:
    """The certificates in force, out of files that may be replaced; `by` is who looks, in metrics.

    Raises ConfigError when there are none to begin with.
    """

    def __init__(self, files: CertFiles, by: str, *, serves: bool = False) -> None:
        """`serves`: what gRPC would not take for a server is not whole either."""
        self._files = files
        self._serves = serves
        self._by = by
        self._seen = _state_of(files)
        self._refused: _State = ()
        self.current = read_certificates(files)
        self._of_authorities = _is_of_authorities(files)

    def look(self) -> bool:
        """Look at the files; True when other certificates are in force from now on."""
        state = _state_of(self._files)
        if state == self._seen:
            return False
        try:
            found = self._read()
        except ConfigError as error:
            self._refuse(state, error)
            return False
        if _state_of(self._files) != state:
            return False  # replaced while they were read: the next look sees all of it
        self._seen = state
        is_new = found != self.current
        self.current = found
        if is_new:
            RELOADS.labels(self._by).inc()
            told = {"serial": f"{found.serial:x}", "ends_at": found.ends_at.isoformat()}
            log.info("certificate replaced", by=self._by, **told)
        return is_new

    async def work(self) -> bool:
        """Look, for `zikao_kit.background.repeat`; never more at once."""
        self.look()
        return False

    def _read(self) -> Certificates:
        found = _read_lasting(self._files, of_authorities=self._of_authorities)
        if self._serves and found != self.current and not found.can_serve():
            raise ConfigError([f"{self._files.cert_file}: gRPC cannot serve with it"])
        return found

    def _refuse(self, state: _State, error: ConfigError) -> None:
        # Looked at again and again until it is whole: said once.
        if state != self._refused:
            self._refused = state
            RELOAD_FAILURES.labels(self._by).inc()
            log.warning("certificate not replaced", by=self._by, causes=error.problems)


def _is_of_authorities(files: CertFiles) -> bool:
    try:
        _read_together(files, lambda _: True)
    except ConfigError:
        return False
    return True


def server_credentials_of(
    watch: CertificateWatch, on_connection: Callable[[], None] = lambda: None
) -> grpc.ServerCredentials:
    """Serve each new connection with what `watch` has in force then.

    For one listener: each has to be told of what is new to it. To ask costs a comparison, in a
    thread of gRPC. `on_connection` is called there, too, for each new connection.
    """
    # None, "nothing new", is left out in the stubs.
    fetch: Any = _fetcher(watch, on_connection)
    return grpc.dynamic_ssl_server_credentials(
        watch.current.server_configuration(), fetch, require_client_authentication=True
    )


def show_expiry(watch: CertificateWatch) -> None:
    """Tell scrapes from now on how long what is in force lasts."""

    EXPIRY.labels("own").set_function(lambda: _left(watch.current.ends_at))
    EXPIRY.labels("authority").set_function(lambda: _left(watch.current.authorities_end_at))


def _left(until: datetime) -> float:
    return (until - datetime.now(UTC)).total_seconds()


def _fetcher(
    watch: CertificateWatch, on_connection: Callable[[], None]
) -> Callable[[], grpc.ServerCertificateConfiguration | None]:
    told = watch.current

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal told
        on_connection()
        current = watch.current
        if current is told:
            return None
        configuration = current.server_configuration()
        told = current
        return configuration

    return fetch


def _state_of(files: CertFiles) -> _State:
    return tuple(map(_stamp, (files.key_file, files.cert_file, files.ca_file)))


def _stamp(path: Path) -> tuple[int, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error


def _parsed(pem: bytes, path: Path) -> list[x509.Certificate]:
    """All of a file: a bundle that ends within a certificate would else count without it."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ConfigError([f"{path}: no certificates in PEM"]) from error
    last_line = pem.rstrip().rpartition(b"\n")[2]
    if len(found) != len(_BEGIN.findall(pem)) or not _LAST_LINE.fullmatch(last_line):
        raise ConfigError([f"{path}: not whole"])
    return found


def _public_key_of(pem: bytes, path: Path) -> bytes:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:  # no key; one with a password
        raise ConfigError([f"{path}: no private key in PEM, without a password"]) from error
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
