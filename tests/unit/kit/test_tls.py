"""Mutual TLS: certificates of the development CA, and handshakes over 127.0.0.1."""

import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from support.certificates import channel_credentials, server_credentials
from zikao_kit import tls
from zikao_kit.config import CertFiles
from zikao_kit.tls import DevelopmentCa, peer_name

WHO_AM_I = "/zikao.test.Peer/WhoAmI"
CALL_SECONDS = 5


async def answer_peer_name(_: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    """Tell the caller who it is."""
    return (peer_name(context.auth_context()) or "").encode()


@asynccontextmanager
async def serving(files: CertFiles) -> AsyncIterator[int]:
    """A server with mutual TLS; yields its port."""
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(answer_peer_name)
    service, method = WHO_AM_I.strip("/").split("/")
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    port = server.add_secure_port("127.0.0.1:0", server_credentials(files))
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def who_am_i(port: int, credentials: grpc.ChannelCredentials, host: str = "127.0.0.1") -> str:
    """Call the server and return the name it saw; AioRpcError when there is no connection."""
    async with grpc.aio.secure_channel(f"{host}:{port}", credentials) as channel:
        answer = await channel.unary_unary(WHO_AM_I, None, None)(b"", timeout=CALL_SECONDS)
        return bytes(answer).decode()


async def refused(port: int, credentials: grpc.ChannelCredentials) -> bool:
    """Whether the handshake fails in either direction."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await who_am_i(port, credentials)
    return caught.value.code() == grpc.StatusCode.UNAVAILABLE


def certificate_of(files: CertFiles) -> x509.Certificate:
    """The certificate in `files`."""
    return x509.load_pem_x509_certificate(files.cert_file.read_bytes())


@pytest.fixture
def ca(tmp_path: Path) -> DevelopmentCa:
    """An authority of the test's own."""
    return DevelopmentCa(tmp_path / "ca")


@pytest.fixture
def issue_expired(ca: DevelopmentCa, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], CertFiles]:
    """Issues certificates that ended yesterday, by the same authority."""

    def issue(name: str) -> CertFiles:
        with monkeypatch.context() as patch:
            patch.setattr(tls, "BACKDATE_MINUTES", 3 * 24 * 60)
            patch.setattr(tls, "LEAF_LIFETIME_DAYS", -1)
            return ca.issue(name)

    return issue


def test_certificates_have_the_stated_shape(ca: DevelopmentCa) -> None:
    """A leaf is EC P-256, lives 90 days and carries the four alternative names."""
    certificate = certificate_of(ca.issue("enrollment"))
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=89) < left <= timedelta(days=90)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "enrollment"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    assert uris == ["spiffe://zikao/enrollment"]


def test_keys_are_readable_by_their_owner_only(ca: DevelopmentCa) -> None:
    """The keys of the authority and of a leaf have mode 0600."""
    files = ca.issue("enrollment")
    for key in (files.key_file, files.ca_file.with_name("ca.key")):
        assert key.stat().st_mode & 0o777 == 0o600


def test_good_files_are_used_again(ca: DevelopmentCa, tmp_path: Path) -> None:
    """A second authority object on the same directory changes no file."""
    files = ca.issue("enrollment")
    before = [path.read_bytes() for path in (files.cert_file, files.key_file, files.ca_file)]
    again = DevelopmentCa(tmp_path / "ca").issue("enrollment")
    assert [
        path.read_bytes() for path in (again.cert_file, again.key_file, again.ca_file)
    ] == before


def test_a_certificate_in_its_last_week_is_renewed(
    ca: DevelopmentCa, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With less than 7 days left a certificate is made anew, with more it is kept."""
    monkeypatch.setattr(tls, "LEAF_LIFETIME_DAYS", 6)
    ending = certificate_of(ca.issue("enrollment"))
    monkeypatch.undo()
    renewed = certificate_of(ca.issue("enrollment"))
    assert renewed.serial_number != ending.serial_number
    assert certificate_of(ca.issue("enrollment")) == renewed


def test_a_new_authority_replaces_old_leaves(ca: DevelopmentCa, tmp_path: Path) -> None:
    """When the authority's key was lost, its leaves are of no use and are made anew."""
    old = certificate_of(ca.issue("enrollment"))
    (tmp_path / "ca" / "ca.key").unlink()
    new_ca = DevelopmentCa(tmp_path / "ca")
    assert certificate_of(new_ca.issue("enrollment")) != old


def test_processes_that_start_together_share_one_authority(tmp_path: Path) -> None:
    """Four processes at once on an empty directory end with one authority and one leaf."""
    program = (
        "import pathlib, sys; from zikao_kit.tls import DevelopmentCa;"
        "files = DevelopmentCa(pathlib.Path(sys.argv[1])).issue('enrollment');"
        "print(files.ca_file.read_text(), files.cert_file.read_text(), files.key_file.read_text())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "ca")]
    starting = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    seen = {process.communicate(timeout=30)[0] for process in starting}
    assert [process.returncode for process in starting] == [0] * 4
    assert len(seen) == 1


@pytest.mark.parametrize("name", ["", "ca", "../x", "Enrollment", "a/b", "-a", "a-", "a" * 64])
def test_wrong_names_are_refused(ca: DevelopmentCa, name: str) -> None:
    """A name that is no DNS label, or is the authority's own, gets no certificate."""
    with pytest.raises(ValueError, match="not a service name"):
        ca.issue(name)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_server_sees_the_name_of_the_caller(ca: DevelopmentCa, host: str) -> None:
    """Both ends accept each other, and the server knows the caller by its URI SAN."""
    async with serving(ca.issue("enrollment")) as port:
        credentials = channel_credentials(ca.issue("sichuan-portal"))
        assert await who_am_i(port, credentials, host) == "sichuan-portal"


async def test_a_foreign_client_is_refused(ca: DevelopmentCa, tmp_path: Path) -> None:
    """A client of another authority is refused, even if it trusts the server."""
    server_files = ca.issue("enrollment")
    foreign = DevelopmentCa(tmp_path / "foreign").issue("tickets")
    stolen_trust = CertFiles(foreign.cert_file, foreign.key_file, server_files.ca_file)
    async with serving(server_files) as port:
        assert await refused(port, channel_credentials(stolen_trust))


async def test_a_foreign_server_is_refused(ca: DevelopmentCa, tmp_path: Path) -> None:
    """A server of another authority is not spoken to, even if it would accept the client."""
    foreign = DevelopmentCa(tmp_path / "foreign").issue("enrollment")
    client_files = ca.issue("tickets")
    async with serving(
        CertFiles(foreign.cert_file, foreign.key_file, client_files.ca_file)
    ) as port:
        assert await refused(port, channel_credentials(client_files))


async def test_a_client_without_certificate_is_refused(ca: DevelopmentCa) -> None:
    """Trusting the authority is not enough: a client must show a certificate."""
    files = ca.issue("enrollment")
    async with serving(files) as port:
        assert await refused(port, grpc.ssl_channel_credentials(files.ca_file.read_bytes()))


async def test_an_expired_client_is_refused(
    ca: DevelopmentCa, issue_expired: Callable[[str], CertFiles]
) -> None:
    """A client certificate that ended yesterday opens no connection; renewed, it does."""
    async with serving(ca.issue("enrollment")) as port:
        assert await refused(port, channel_credentials(issue_expired("tickets")))
        assert await who_am_i(port, channel_credentials(ca.issue("tickets"))) == "tickets"


async def test_an_expired_server_is_refused(
    ca: DevelopmentCa, issue_expired: Callable[[str], CertFiles]
) -> None:
    """A server certificate that ended yesterday is not spoken to."""
    async with serving(issue_expired("enrollment")) as port:
        assert await refused(port, channel_credentials(ca.issue("tickets")))


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        ([b"spiffe://zikao/registration"], "registration"),
        ([], None),
        ([b"spiffe://zikao/a", b"spiffe://zikao/b"], None),
        ([b"spiffe://elsewhere/registration"], None),
        ([b"spiffe://zikao/registration/other"], None),
        ([b"spiffe://zikao/"], None),
        ([b"spiffe://zikao/\xff"], None),
    ],
)
def test_only_one_identity_of_the_installation_is_a_name(
    identities: list[bytes], expected: str | None
) -> None:
    """Foreign, doubled, nested or malformed identities give no name."""
    assert peer_name({"peer_spiffe_id": identities}) == expected


def test_strict_clients_accept_its_certificates(tmp_path: Path) -> None:
    """Certificates have all that RFC 5280 asks for: Python looks for it from 3.13 on."""
    files = DevelopmentCa(tmp_path).issue("sms")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(files.cert_file, files.key_file)
    client = ssl.create_default_context(cafile=files.ca_file)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    calling = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    serving = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (calling, serving):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    assert calling.getpeercert()
