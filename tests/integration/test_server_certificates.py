"""A real server whose certificate files are replaced while it serves."""

from pathlib import Path

import grpc
import pytest
from support.certificates import (
    is_served,
    new_certificate,
    replace_files,
    serial_of,
    serial_shown,
)
from support.probe import make_probe, refusal, running_probe
from support.service import until
from zikao.test.v1 import probe_pb2
from zikao_kit import server as kit_server
from zikao_kit.certificates import RELOAD_FAILURES
from zikao_kit.config import CertFiles, ConfigError
from zikao_kit.tls import DevelopmentCa

OPEN = probe_pb2.OpenRequest()
LISTENERS = 8
# Dealt out blindly, a listener gets none of them once in ten thousand runs.
CONNECTIONS = 100


@pytest.fixture(autouse=True)
def _looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit_server, "LOOK_SECONDS", 0.02)


def failures() -> float:
    """How often servers of this process have seen files that they cannot use."""
    return float(RELOAD_FAILURES.labels("server")._value.get())


async def test_all_listeners_show_the_new_certificate(tmp_path: Path) -> None:
    """Each listener has to be told apart: no new connection is shown the certificate before.

    Those that are open go on.
    """
    async with running_probe(tmp_path / "ca", listeners=LISTENERS) as probe:
        files, caller, port = probe.ca.issue("probe"), probe.ca.issue("portal"), probe.server.port
        before = serial_of(files)
        connections = range(CONNECTIONS)
        assert {await serial_shown(port, caller) for _ in connections} == {before}
        async with probe.stub() as stub:
            await stub.Open(OPEN, timeout=5)
            new = new_certificate(tmp_path / "ca", "probe")
            replace_files(files, new)

            async def shown() -> bool:
                return await serial_shown(port, caller) == serial_of(new)

            await until(shown)
            assert {await serial_shown(port, caller) for _ in connections} == {serial_of(new)}
            await stub.Open(OPEN, timeout=5)


async def test_an_authority_is_replaced_in_three_steps(tmp_path: Path) -> None:
    """Both authorities count while both are in the file, and neither before or after its time."""
    async with running_probe(tmp_path / "ca") as probe:
        files, port = probe.ca.issue("probe"), probe.server.port
        old_caller = probe.ca.issue("portal")
        old_authority = old_caller.ca_file.read_bytes()
        new_ca = DevelopmentCa(tmp_path / "new-ca")
        new_caller, new_files = new_ca.issue("portal"), new_ca.issue("probe")
        both = tmp_path / "both.pem"
        both.write_bytes(old_authority + new_caller.ca_file.read_bytes())
        # What callers trust is theirs: here, both all the time.
        old = CertFiles(old_caller.cert_file, old_caller.key_file, both)
        new = CertFiles(new_caller.cert_file, new_caller.key_file, both)
        assert [await is_served(port, old), await is_served(port, new)] == [True, False]

        files.ca_file.write_bytes(both.read_bytes())
        await until(lambda: is_served(port, new))
        assert await is_served(port, old)

        replace_files(files, new_files)  # the new authority alone

        async def old_is_out() -> bool:
            return not await is_served(port, old)

        await until(old_is_out)
        assert await is_served(port, new)


async def test_half_a_certificate_changes_nothing(tmp_path: Path) -> None:
    """While files are being written, new connections are served as before."""
    async with running_probe(tmp_path / "ca") as probe:
        files, caller = probe.ca.issue("probe"), probe.ca.issue("portal")
        before, failed = serial_of(files), failures()
        files.cert_file.write_bytes(files.cert_file.read_bytes()[:200])
        await until(lambda: failures() > failed)
        assert await serial_shown(probe.server.port, caller) == before
        assert await is_served(probe.server.port, caller)


async def test_a_server_without_a_usable_certificate_does_not_begin(tmp_path: Path) -> None:
    """The operator is told which file is wrong, and nothing listens."""
    other = DevelopmentCa(tmp_path / "other").issue("probe")
    right = DevelopmentCa(tmp_path / "ca").issue("probe")
    mixed = CertFiles(right.cert_file, other.key_file, right.ca_file)
    probe = make_probe(tmp_path / "ca", tls=mixed)
    with pytest.raises(ConfigError, match=r"server\.tls: .*probe\.key"):
        await probe.server.start()
    assert probe.server.port == 0


async def test_a_foreign_certificate_stays_refused(tmp_path: Path) -> None:
    """A certificate of another authority is refused before and after a replacement."""
    foreign = DevelopmentCa(tmp_path / "foreign").issue("portal")
    async with running_probe(tmp_path / "ca") as probe:
        files = probe.ca.issue("probe")
        stolen_trust = CertFiles(foreign.cert_file, foreign.key_file, files.ca_file)
        assert not await is_served(probe.server.port, stolen_trust)
        new = new_certificate(tmp_path / "ca", "probe")
        replace_files(files, new)
        caller = probe.ca.issue("portal")

        async def shown() -> bool:
            return await serial_shown(probe.server.port, caller) == serial_of(new)

        await until(shown)
        assert not await is_served(probe.server.port, stolen_trust)
        async with probe.stub() as stub:
            error = await refusal(stub.Candidate(probe_pb2.CandidateRequest(), timeout=5))
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED
