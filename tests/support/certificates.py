"""Certificates as operators replace them, and what a server shows to whoever connects."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import Callable
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2, health_pb2_grpc
from zikao_kit.certificates import CertificateWatch, read_certificates, server_credentials_of
from zikao_kit.config import CertFiles
from zikao_kit.tls import DevelopmentCa

_FILES = ("tls.crt", "tls.key", "ca.crt")
_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
# The number of points of the curve that the installation's keys are on (SEC 2, section 2.4.2).
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def server_credentials(files: CertFiles) -> grpc.ServerCredentials:
    """Those of every service; for one listener."""
    return server_credentials_of(CertificateWatch(files, "test"))


def channel_credentials(files: CertFiles) -> grpc.ChannelCredentials:
    """Those of every client of ours."""
    return read_certificates(files).channel_credentials()


def new_certificate(ca_folder: Path, name: str) -> CertFiles:
    """Another certificate of `name`, of the authority in `ca_folder`, in a folder of its own."""
    folder = Path(mkdtemp(dir=ca_folder.parent))
    for file in ("ca.pem", "ca.key"):
        shutil.copy(ca_folder / file, folder / file)
    return DevelopmentCa(folder).issue(name)


def serial_of(files: CertFiles) -> int:
    """The serial number of the certificate in a file."""
    return x509.load_pem_x509_certificate(files.cert_file.read_bytes()).serial_number


def replace_files(old: CertFiles, new: CertFiles) -> None:
    """Put the new ones in the place of the old ones, file by file, in the worst order: as written.

    Each is first empty, then half there, then whole.
    """
    for target, source in zip(astuple(old), astuple(new), strict=True):
        content = source.read_bytes()
        with target.open("wb") as file:
            file.flush()
            file.write(content[: len(content) // 2])
            file.flush()
            file.write(content[len(content) // 2 :])


class SecretMount:
    """A folder as Kubernetes mounts a Secret: links into `..data`, which is swapped as a whole."""

    def __init__(self, folder: Path, files: CertFiles) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._versions = count(1)
        self.swap(files)
        for name in _FILES:
            (folder / name).symlink_to(Path("..data") / name)
        self.files = CertFiles(*(folder / name for name in _FILES))

    def swap(self, files: CertFiles) -> None:
        """Put others in place of all three at once."""
        version = self._folder / f"..version_{next(self._versions)}"
        version.mkdir()
        for name, source in zip(_FILES, astuple(files), strict=True):
            shutil.copy(source, version / name)
        link = self._folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self._folder / "..data")


def with_one_between(folder: Path, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> CertFiles:
    """A certificate of an authority in `folder` that issued it through another one, in its file.

    Keys are on the curve.
    """
    folder.mkdir(exist_ok=True)
    names = ("authority", "between", "enrollment")
    keys = {name: ec.generate_private_key(curve()) for name in names}
    made = {
        name: _issued(name, keys[name], by, keys[by])
        for name, by in zip(names, (names[0], *names[:2]), strict=True)
    }
    files = CertFiles(*(folder / name for name in _FILES))
    files.cert_file.write_bytes(_pem(made["enrollment"]) + _pem(made["between"]))
    files.key_file.write_bytes(_key_pem(keys["enrollment"]))
    files.ca_file.write_bytes(_pem(made["authority"]))
    return files


def _issued(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    by: str,
    by_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, by)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(by_key, hashes.SHA256())
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def nameless(
    ca_folder: Path,
    identity: str | None = None,
    kind: Callable[[str], x509.GeneralName] = x509.UniformResourceIdentifier,
) -> CertFiles:
    """A certificate of the authority without a name of the installation, or with that identity.

    `kind`: the identity as what it is stated.
    """
    ca_key = serialization.load_pem_private_key((ca_folder / "ca.key").read_bytes(), None)
    ca = x509.load_pem_x509_certificate((ca_folder / "ca.pem").read_bytes())
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    if identity is not None:
        names.append(kind(identity))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    folder = Path(mkdtemp(dir=ca_folder.parent))
    files = CertFiles(folder / "tls.crt", folder / "tls.key", ca_folder / "ca.pem")
    files.cert_file.write_bytes(_pem(certificate))
    files.key_file.write_bytes(_key_pem(key))
    return files


def signed_otherwise(files: CertFiles) -> CertFiles:
    """The same certificate with its signature in the other way that ECDSA has, and the same key.

    Whoever has it can do so without the authority: what was signed is the same.
    """
    certificate = x509.load_pem_x509_certificate(files.cert_file.read_bytes())
    r, s = decode_dss_signature(certificate.signature)
    signature = encode_dss_signature(r, _P256_ORDER - s)
    parts = certificate.tbs_certificate_bytes + _ECDSA_WITH_SHA256
    der = _der(0x30, parts + _der(0x03, b"\0" + signature))
    folder = Path(mkdtemp(dir=files.cert_file.parent))
    other = CertFiles(folder / "tls.crt", files.key_file, files.ca_file)
    other.cert_file.write_text(ssl.DER_cert_to_PEM_cert(der))
    return other


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def key_fingerprint_of(files: CertFiles) -> str:
    """SHA-256 of the public half of the key in a file, as `server.refused_certificates` has it."""
    key = serialization.load_pem_private_key(files.key_file.read_bytes(), None)
    der, shape = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(key.public_key().public_bytes(der, shape)).hexdigest()


async def is_served(port: int, files: CertFiles) -> bool:
    """Whether a server on this machine accepts a new connection with these files."""
    # Else it would share a connection with one before.
    options = [("grpc.use_local_subchannel_pool", 1)]
    credentials = channel_credentials(files)
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials, options) as channel:
        request = health_pb2.HealthCheckRequest()
        code = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=20).code()
    assert code in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)
    return code is grpc.StatusCode.OK


async def serial_shown(port: int, files: CertFiles) -> int:
    """The serial number of the certificate that a new connection to 127.0.0.1 is shown."""
    context = ssl.create_default_context(cafile=files.ca_file)
    context.load_cert_chain(files.cert_file, files.key_file)
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.close()
    return x509.load_der_x509_certificate(shown).serial_number
