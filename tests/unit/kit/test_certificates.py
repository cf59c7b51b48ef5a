"""Certificate files that are replaced while they are in use."""

from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from support.certificates import (
    SecretMount,
    new_certificate,
    replace_files,
    serial_of,
    with_one_between,
)
from zikao_kit import certificates, tls
from zikao_kit.certificates import CertificateWatch, show_expiry
from zikao_kit.config import CertFiles, ConfigError
from zikao_kit.tls import DevelopmentCa

DAY_SECONDS = 86_400


@pytest.fixture
def files(tmp_path: Path) -> CertFiles:
    """What is in force at first; its authority is in the same folder."""
    return DevelopmentCa(tmp_path / "ca").issue("enrollment")


@pytest.fixture
def other(tmp_path: Path, files: CertFiles) -> CertFiles:
    """Another certificate of the same name and authority."""
    return new_certificate(files.ca_file.parent, "enrollment")


def counted(name: str, by: str) -> float:
    """The value of a counter now."""
    return REGISTRY.get_sample_value(name, {"by": by}) or 0.0


def test_replaced_files_take_effect(files: CertFiles, other: CertFiles) -> None:
    """Nothing happens until files change; then all three count, once, and it is told."""
    watch = CertificateWatch(files, "files")
    assert not watch.look()
    replace_files(files, other)
    with capture_logs() as logs:
        assert [watch.look(), watch.look()] == [True, False]
    assert watch.current.serial == serial_of(other)
    assert [line["event"] for line in logs] == ["certificate replaced"]
    assert counted("zikao_certificate_reloads_total", "files") == 1
    assert counted("zikao_certificate_reload_failures_total", "files") == 0


def test_files_that_are_written_again_are_no_news(files: CertFiles) -> None:
    """The same content under a new date changes nothing, so no connection is made for it."""
    watch = CertificateWatch(files, "same")
    replace_files(files, replace(files))
    files.cert_file.write_bytes(files.cert_file.read_bytes())
    assert not watch.look()
    assert counted("zikao_certificate_reloads_total", "same") == 0


def half(path: Path) -> None:
    """As a writer leaves it that has not finished."""
    path.write_bytes(path.read_bytes()[:100])


def nowhere(path: Path) -> None:
    """A link to what is not there."""
    path.unlink()
    path.symlink_to("x")


def second_cut(path: Path, left: int) -> None:
    """As a writer of a bundle leaves it within its second certificate: `left` bytes of it."""
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:left])


BROKEN: dict[str, Callable[[CertFiles], Any]] = {
    "half a certificate": lambda files: half(files.cert_file),
    "half a key": lambda files: half(files.key_file),
    "half an authority": lambda files: half(files.ca_file),
    "an empty authority": lambda files: files.ca_file.write_bytes(b""),
    "half a bundle": lambda files: second_cut(files.ca_file, 300),
    "the first line of a second authority": lambda files: second_cut(files.ca_file, 27),
    "a dash of a second authority": lambda files: second_cut(files.ca_file, 1),
    "a second authority but its end": lambda files: second_cut(files.ca_file, -8),
    "half a chain": lambda files: second_cut(files.cert_file, 300),
    "no key": lambda files: files.key_file.unlink(),
    "a link to nowhere": lambda files: nowhere(files.ca_file),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_not_whole_is_left_alone(files: CertFiles, other: CertFiles, what: str) -> None:
    """The files before stay in force, that is told once, and what is whole then counts."""
    watch = CertificateWatch(files, what)
    before, whole = watch.current, [path.read_bytes() for path in astuple(other)]
    replace_files(files, other)
    BROKEN[what](files)
    with capture_logs() as logs:
        assert [watch.look(), watch.look()] == [False, False]
    assert [line["event"] for line in logs] == ["certificate not replaced"]
    assert watch.current is before
    assert counted("zikao_certificate_reload_failures_total", what) == 1
    for path, content in zip(astuple(files), whole, strict=True):
        path.unlink(missing_ok=True)
        path.write_bytes(content)
    assert watch.look()
    assert watch.current.serial == serial_of(other)


def test_a_key_of_another_certificate_is_left_alone(files: CertFiles, other: CertFiles) -> None:
    """Between the writing of a certificate and its key, both before stay in force."""
    watch = CertificateWatch(files, "pair")
    files.cert_file.write_bytes(other.cert_file.read_bytes())
    assert not watch.look()
    assert watch.current.serial != serial_of(other)
    files.key_file.write_bytes(other.key_file.read_bytes())
    assert watch.look()
    assert watch.current.serial == serial_of(other)


def test_an_ended_certificate_takes_nobodys_place(
    files: CertFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old backup that somebody copies over a good certificate does no harm."""
    watch = CertificateWatch(files, "ended")
    with monkeypatch.context() as patch:
        patch.setattr(tls, "BACKDATE_MINUTES", 3 * 24 * 60)
        patch.setattr(tls, "LEAF_LIFETIME_DAYS", -1)
        ended = new_certificate(files.ca_file.parent, "enrollment")
    replace_files(files, ended)
    with capture_logs() as logs:
        assert not watch.look()
    assert "ended at" in logs[0]["causes"][0]


def test_what_is_not_in_force_yet_takes_nobodys_place(
    files: CertFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate from tomorrow on, which every peer would refuse until then, waits."""
    watch = CertificateWatch(files, "early")
    with monkeypatch.context() as patch:
        patch.setattr(tls, "BACKDATE_MINUTES", -24 * 60)
        early = new_certificate(files.ca_file.parent, "enrollment")
    replace_files(files, early)
    with capture_logs() as logs:
        assert not watch.look()
    assert "begins at" in logs[0]["causes"][0]


def test_a_certificate_of_no_authority_takes_nobodys_place(
    files: CertFiles, tmp_path: Path
) -> None:
    """Key and certificate of another authority wait until that one is beside the old."""
    watch = CertificateWatch(files, "foreign")
    old = files.ca_file.read_bytes()
    foreign = DevelopmentCa(tmp_path / "foreign").issue("enrollment")
    replace_files(files, replace(foreign, ca_file=files.ca_file))
    with capture_logs() as logs:
        assert not watch.look()
    assert "not of an authority" in logs[0]["causes"][0]
    files.ca_file.write_bytes(old + foreign.ca_file.read_bytes())
    assert watch.look()
    assert watch.current.serial == serial_of(foreign)


def test_an_authority_that_has_ended_takes_nobodys_place(
    files: CertFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does what only an ended authority issued, though another one beside it is in force."""
    watch = CertificateWatch(files, "old authority")
    old = files.ca_file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(tls, "CA_LIFETIME_DAYS", -1)
        patch.setattr(tls, "BACKDATE_MINUTES", 3 * 24 * 60)
        ended = DevelopmentCa(tmp_path / "ended")
        patch.setattr(tls, "LEAF_LIFETIME_DAYS", 90)
        leaf = ended.issue("enrollment")
    replace_files(files, leaf)
    assert not watch.look()
    files.ca_file.write_bytes(old + leaf.ca_file.read_bytes())
    with capture_logs() as logs:
        assert not watch.look()
    assert "not in force" in logs[0]["causes"][0]


def test_a_certificate_between_leads_to_the_authority(files: CertFiles, tmp_path: Path) -> None:
    """What issued the certificate stands behind it in its file, and need be no authority."""
    chained = with_one_between(tmp_path / "chained")
    watch = CertificateWatch(chained, "chain")
    replace_files(chained, other := with_one_between(tmp_path / "other"))
    assert watch.look()
    assert watch.current.serial == serial_of(other)
    alone = other.cert_file.read_bytes().split(b"-----END CERTIFICATE-----")[0]
    chained.cert_file.write_bytes(alone + b"-----END CERTIFICATE-----\n")
    assert not watch.look()


def test_what_grpc_cannot_serve_takes_nobodys_place(files: CertFiles, tmp_path: Path) -> None:
    """A key on a curve that it does not know is said and counted: it would use the old one."""
    watch = CertificateWatch(files, "curve", serves=True)
    replace_files(files, with_one_between(tmp_path / "odd", ec.SECP256K1))
    with capture_logs() as logs:
        assert not watch.look()
    assert "gRPC cannot serve" in logs[0]["causes"][0]
    assert counted("zikao_certificate_reload_failures_total", "curve") == 1
    replace_files(files, usual := with_one_between(tmp_path / "usual"))
    assert watch.look()
    assert watch.current.serial == serial_of(usual)


def test_a_swapped_folder_takes_effect(files: CertFiles, other: CertFiles, tmp_path: Path) -> None:
    """Links that stay as they are lead to other files: Kubernetes replaces a Secret so."""
    mount = SecretMount(tmp_path / "mount", files)
    watch = CertificateWatch(mount.files, "mount")
    assert not watch.look()
    mount.swap(other)
    assert watch.look()
    assert watch.current.serial == serial_of(other)


def test_what_is_swapped_while_it_is_read_is_read_again(
    files: CertFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new authority is never in force beside the certificate before, though that fits its key."""
    mount = SecretMount(tmp_path / "mount", files)
    watch = CertificateWatch(mount.files, "swap")
    one = new_certificate(files.ca_file.parent, "enrollment")
    foreign = DevelopmentCa(tmp_path / "foreign").issue("enrollment")
    mount.swap(one)
    read = certificates._read

    def swapping(path: Path) -> bytes:
        if path == mount.files.ca_file:
            mount.swap(foreign)
            monkeypatch.undo()
        return read(path)

    monkeypatch.setattr(certificates, "_read", swapping)
    assert not watch.look()
    assert watch.current.authorities == files.ca_file.read_bytes()
    assert watch.look()
    assert watch.current.serial == serial_of(foreign)
    assert watch.current.authorities == foreign.ca_file.read_bytes()


def test_wrong_files_refuse_the_start(files: CertFiles, other: CertFiles) -> None:
    """A process that could serve nobody does not begin; the text names files, not content."""
    with pytest.raises(ConfigError, match=r"enrollment\.key: the key is not that of"):
        CertificateWatch(replace(files, cert_file=other.cert_file), "start")
    with pytest.raises(ConfigError, match="No such file"):
        CertificateWatch(replace(files, ca_file=Path("/nowhere/ca.pem")), "start")


def test_how_long_certificates_last_is_shown(files: CertFiles, other: CertFiles) -> None:
    """The process's own certificate has 90 days, its authority ten years: seconds, as of now."""
    watch = CertificateWatch(files, "expiry")
    show_expiry(watch)
    left = {
        which: REGISTRY.get_sample_value("zikao_certificate_expiry_seconds", {"which": which})
        for which in ("own", "authority")
    }
    assert 89 * DAY_SECONDS < (left["own"] or 0) <= 90 * DAY_SECONDS
    assert 3649 * DAY_SECONDS < (left["authority"] or 0) <= 3650 * DAY_SECONDS
