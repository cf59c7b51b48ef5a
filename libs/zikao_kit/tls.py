"""Mutual TLS: who the peers are, and a development CA so that there is one code path.

A service or internal system is known by the last part of its certificate's URI
SAN, `spiffe://zikao/<name>`. Production brings certificates of the same shape
from its own authority; nothing else changes.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from zikao_kit.config import CertFiles
from zikao_kit.files import write_whole

SPIFFE_PREFIX = "spiffe://zikao/"
CA_LIFETIME_DAYS = 3650
LEAF_LIFETIME_DAYS = 90
RENEW_BEFORE_DAYS = 7
# A peer whose clock is a little behind must accept a certificate made just now.
BACKDATE_MINUTES = 5

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# What gRPC found in the peer's verified certificate; see peer_name.
_SPIFFE_PROPERTY = "peer_spiffe_id"
# The certificate itself, without what comes between it and an authority.
_CERTIFICATE_PROPERTY = "x509_pem_cert"
# Of how many certificates the key is kept: of all that call at a time.
KEYS_KEPT = 1024
# About 500 bytes each.
CONNECTIONS_KEPT = 4_000

AuthContext = Mapping[str, Iterable[bytes]]


def peer_name(auth_context: AuthContext) -> str | None:
    """Return `<name>` of the peer's URI SAN, None when it has none of the installation.

    `auth_context` is `ServicerContext.auth_context()`. gRPC states the property only
    for a certificate with exactly one, well-formed SPIFFE id.
    """
    identities = list(auth_context.get(_SPIFFE_PROPERTY, ()))
    if len(identities) != 1:
        return None
    prefix, name = SPIFFE_PREFIX.encode(), identities[0]
    if not name.startswith(prefix):
        return None
    text = name.removeprefix(prefix).decode("ascii", "replace")
    return text if _NAME.fullmatch(text) else None


class PeerNames:
    """Names of callers, looked up once for each connection: gRPC copies a certificate to tell.

    By where a connection comes from and all names in its certificate. The one alone is another's
    when a port is used again; in the others' texts a DNS name may read like a URI.
    """

    def __init__(self) -> None:
        self._names: dict[tuple[str | bytes, ...], str] = {}

    def of(self, peer: str, context: Any) -> str:
        """Return `peer_name` of a call's `ServicerContext`, "" for none; `peer` is its `peer()`."""
        key = (peer, *(context.peer_identities() or ()))
        name = self._names.get(key)
        if name is None:
            if len(self._names) >= CONNECTIONS_KEPT:
                self._names.clear()
            name = self._names[key] = peer_name(context.auth_context()) or ""
        return name


def peer_key(auth_context: AuthContext) -> str:
    """Return the fingerprint of the key in the peer's certificate."""
    (pem,) = auth_context[_CERTIFICATE_PROPERTY]
    return key_fingerprint(pem)


@lru_cache(KEYS_KEPT)
def key_fingerprint(pem: bytes) -> str:
    """Return SHA-256 of a certificate's public key (SubjectPublicKeyInfo, DER) in hexadecimal.

    Not of the certificate: who has an ECDSA certificate can write its signature in a second way
    that is as good, and so has two with different fingerprints. The key is what was stolen.
    """
    key = x509.load_pem_x509_certificate(pem).public_key()
    der, shape = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(key.public_bytes(der, shape)).hexdigest()


def is_peer_name(name: str) -> bool:
    """Say whether a certificate of the installation can have this name."""
    return bool(_NAME.fullmatch(name))


class DevelopmentCa:
    """An authority in a directory, for rehearsals, tests and single machines.

    Its own certificate and key (0600) are made at first use. Several processes may
    share the directory: whoever comes first makes a file, the others find it.
    Certificates live by the machine's clock, never by a rehearsal's.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._cert_path = directory / "ca.pem"
        self._key_path = directory / "ca.key"
        with self._locked():
            self._cert, self._key = self._load() or self._make()

    def issue(self, name: str, *host_names: str) -> CertFiles:
        """Return the files of `name` (lower-case letters, digits, dashes), made or renewed.

        The certificate serves for both ends of a connection to localhost, 127.0.0.1 or
        DNS `name`, and to `host_names` when it is made, for 90 days. Files that are still good for
        a week are left alone.
        ValueError for a name that cannot be one.
        """
        if not _NAME.fullmatch(name) or name == "ca":
            raise ValueError(f"not a service name: {name!r}")
        files = CertFiles(
            cert_file=self._directory / f"{name}.pem",
            key_file=self._directory / f"{name}.key",
            ca_file=self._cert_path,
        )
        with self._locked():
            if not self._is_good(files):
                self._make_leaf(name, files, host_names)
        return files

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _load(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
        pair = _read_pair(self._cert_path, self._key_path)
        return pair if pair and _lasts(pair[0]) else None

    def _make(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _common_name("zikao development CA")
        usage = _key_usage(signs_certificates=True)
        certificate = (
            _builder(name, name, key.public_key(), CA_LIFETIME_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(_key_identifier(key), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write_pair(self._cert_path, self._key_path, certificate, key)
        return certificate, key

    def _make_leaf(self, name: str, files: CertFiles, host_names: Sequence[str]) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _common_name(name)
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            _builder(subject, self._cert.subject, key.public_key(), LEAF_LIFETIME_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(_alternative_names(name, host_names), critical=False)
            .add_extension(_key_identifier(key), critical=False)
            .add_extension(_issuer_identifier(self._key), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        _write_pair(files.cert_file, files.key_file, certificate, key)

    def _is_good(self, files: CertFiles) -> bool:
        pair = _read_pair(files.cert_file, files.key_file)
        return pair is not None and _lasts(pair[0]) and _is_issued_by(pair[0], self._cert)


def _read_pair(
    cert_path: Path, key_path: Path
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    """Return a certificate and its key, None when one is missing or they do not belong together."""
    if not (cert_path.exists() and key_path.exists()):
        return None
    certificate = x509.load_pem_x509_certificate(cert_path.read_bytes())
    key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    return (certificate, key) if certificate.public_key() == key.public_key() else None


def _write_pair(
    cert_path: Path,
    key_path: Path,
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
) -> None:
    pem = serialization.Encoding.PEM
    key_bytes = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_whole(key_path, key_bytes, 0o600)
    write_whole(cert_path, certificate.public_bytes(pem), 0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lifetime_days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=BACKDATE_MINUTES))
        .not_valid_after(now + timedelta(days=lifetime_days))
    )


def _key_identifier(key: ec.EllipticCurvePrivateKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


def _issuer_identifier(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    """Python's own TLS wants to see it, from 3.13 on."""
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(name: str, host_names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        [
            x509.DNSName("localhost"),
            x509.DNSName(name),
            *map(x509.DNSName, host_names),
            x509.IPAddress(IPv4Address("127.0.0.1")),
            x509.UniformResourceIdentifier(SPIFFE_PREFIX + name),
        ]
    )


def _lasts(certificate: x509.Certificate) -> bool:
    renewal = certificate.not_valid_after_utc - timedelta(days=RENEW_BEFORE_DAYS)
    return certificate.not_valid_before_utc <= datetime.now(UTC) < renewal


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError):  # another key; another issuer name
        return False
    return True
