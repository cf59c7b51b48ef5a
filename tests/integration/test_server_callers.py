"""A real server with lists of who may call its services at all, and of stolen certificates."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from support.certificates import (
    channel_credentials,
    key_fingerprint_of,
    nameless,
    new_certificate,
    signed_otherwise,
)
from support.probe import (
    LOST_AT_MOST,
    LOST_STATUS,
    Probe,
    refusal,
    running_probe,
    stream_refusal,
)
from zikao.test.v1 import probe_pb2, probe_pb2_grpc
from zikao_kit.cli import CONFIG_EXIT_CODE
from zikao_kit.config import CertFiles
from zikao_kit.error_table import problem_of, reason_of, sentence_of
from zikao_kit.tls import DevelopmentCa

PROBE = "zikao.test.v1.ProbeService"
HEALTH = "grpc.health.v1.Health"
REFLECTION = "grpc.reflection.v1alpha.ServerReflection"
OPEN = probe_pb2.OpenRequest()
DENIED = (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")


async def open_as(probe: Probe, name: str, **options: Any) -> tuple[grpc.StatusCode, str | None]:
    """How a call of a method for anyone ends, for a system."""
    async with probe.stub(name) as stub:
        call = stub.Open(OPEN, timeout=5, **options)
        if await call.code() is grpc.StatusCode.OK:
            return grpc.StatusCode.OK, None
        error = await refusal(call)
    return error.code(), reason_of(error)


@pytest.mark.parametrize("lists", [{PROBE: ["portal"]}, {"*": ["portal"]}])
async def test_who_is_not_on_the_list_is_refused(
    tmp_path: Path, lists: Mapping[str, Sequence[str]]
) -> None:
    """A list of the service, or of all others, lets its names in and nobody else.

    The refusal has a reason, a sentence and the name; it is counted each time, and told once.
    """
    labels = {"grpc_service": PROBE}
    before = REGISTRY.get_sample_value("zikao_callers_refused_total", labels) or 0
    async with running_probe(tmp_path / "ca", callers=lists) as probe:
        assert (await open_as(probe, "portal"))[0] is grpc.StatusCode.OK
        with capture_logs() as logs:
            assert await open_as(probe, "scanner") == DENIED
            async with probe.stub("scanner") as stub:
                error = await refusal(stub.Open(OPEN, timeout=5))
    assert problem_of(error).metadata == {"caller": "scanner"}
    assert sentence_of(error) == "无权进行此操作"
    told = [line for line in logs if line["event"] == "caller is not on the list"]
    # No line a call: who may not call at all would fill the disk.
    assert [line["event"] for line in logs if line["event"] != "draining"] == [told[0]["event"]]
    assert [(line["grpc_service"], line["refused"]) for line in told] == [(PROBE, "scanner")]
    assert REGISTRY.get_sample_value("zikao_callers_refused_total", labels) == before + 2
    assert probe.servicer.entered == ["Open"]


async def test_its_own_list_goes_before_that_of_all_others(tmp_path: Path) -> None:
    """A service that has a list is not under "*" as well; an empty list is for nobody."""
    lists = {PROBE: ["scanner"], "*": ["portal"]}
    async with running_probe(tmp_path / "a", callers=lists) as probe:
        assert (await open_as(probe, "scanner"))[0] is grpc.StatusCode.OK
        assert await open_as(probe, "portal") == DENIED
    async with running_probe(tmp_path / "b", callers={PROBE: []}) as probe:
        assert await open_as(probe, "portal") == DENIED


async def test_the_list_goes_before_all_that_a_caller_sends(tmp_path: Path) -> None:
    """Who is not on it has no token looked at: a good one does not help, a bad one is no matter.

    Nor is a missing deadline, or a request that is none.
    """
    async with running_probe(tmp_path / "ca", callers={PROBE: ["portal"]}) as probe:
        good, bad = probe.bearer("candidate"), (("authorization", "Bearer a.b.c"),)
        for metadata in (good, bad):
            assert await open_as(probe, "scanner", metadata=metadata) == DENIED
        async with probe.channel("scanner") as channel:
            path = f"/{PROBE}/Candidate"
            nonsense = channel.unary_unary(path)(b"\xff\xff")
            assert reason_of(await refusal(nonsense)) == "PERMISSION_DENIED"
            exchange = channel.stream_stream(f"/{PROBE}/Exchange")
            error = await stream_refusal(lambda: exchange(iter([])))
            assert reason_of(error) == "PERMISSION_DENIED"


@pytest.mark.parametrize("identity", [None, "spiffe://elsewhere/portal", "spiffe://zikao/a/b"])
async def test_a_peer_without_a_name_of_ours_is_on_no_list(
    tmp_path: Path, identity: str | None
) -> None:
    """The authority's signature is enough where there is no list, and nowhere else."""
    for lists, expected in (({}, None), ({"*": ["portal"]}, "PERMISSION_DENIED")):
        folder = tmp_path / str(len(lists))
        async with running_probe(folder, callers=lists) as probe:
            files = nameless(folder, identity)
            async with probe.channel_with(channel_credentials(files)) as channel:
                call = probe_pb2_grpc.ProbeServiceStub(channel).Open(OPEN, timeout=5)
                if expected is None:
                    assert (await call).caller == ""
                else:
                    assert reason_of(await refusal(call)) == expected


async def health_as(probe: Probe, name: str) -> grpc.StatusCode:
    """How asking for health ends, for a system, asked in each way."""
    async with probe.channel(name) as channel:
        return await health_over(channel)


async def health_over(channel: Any) -> grpc.StatusCode:
    """How asking for health ends over a channel, asked in each way."""
    stub = health_pb2_grpc.HealthStub(channel)
    codes: set[grpc.StatusCode] = {
        await stub.Check(health_pb2.HealthCheckRequest(), timeout=5).code(),
        await stub.List(health_pb2.HealthListRequest(), timeout=5).code(),
        await first_code(lambda: stub.Watch(health_pb2.HealthCheckRequest(), timeout=5)),
    }
    (code,) = codes
    return code


async def first_code(begin: Callable[[], Any]) -> grpc.StatusCode:
    """OK as soon as an answer comes; begun again where gRPC's client has lost how it ended."""
    for _ in range(LOST_AT_MOST):
        try:
            await begin().read()
        except grpc.aio.AioRpcError as error:
            code: grpc.StatusCode = error.code()
            if (code, error.details()) != LOST_STATUS:
                return code
        else:
            return grpc.StatusCode.OK
    return code


async def reflection_as(probe: Probe, name: str) -> grpc.StatusCode:
    """How listing the contracts ends, for a system."""
    async with probe.channel(name) as channel:
        return await reflection_over(channel)


async def reflection_over(channel: Any) -> grpc.StatusCode:
    """How listing the contracts ends over a channel."""
    info = channel.stream_stream(f"/{REFLECTION}/ServerReflectionInfo")
    return await first_code(lambda: info(iter([b"\x3a\x00"]), timeout=5))


async def test_health_is_for_all_but_where_it_has_a_list(tmp_path: Path) -> None:
    """ "*" leaves balancers their health, but not the contracts; both may have a list."""
    ok, denied = grpc.StatusCode.OK, grpc.StatusCode.PERMISSION_DENIED
    others = {"*": ["portal"]}
    async with running_probe(tmp_path / "a", callers=others, reflection=True) as probe:
        assert await health_as(probe, "balancer") is ok
        assert await reflection_as(probe, "balancer") is denied
        assert await reflection_as(probe, "portal") is ok
    own = {HEALTH: ["balancer"], REFLECTION: ["operator"]}
    async with running_probe(tmp_path / "b", callers=own, reflection=True) as probe:
        assert [await health_as(probe, name) for name in ("balancer", "portal")] == [ok, denied]
        assert await reflection_as(probe, "operator") is ok
        assert await reflection_as(probe, "portal") is denied
        assert (await open_as(probe, "portal"))[0] is ok


def test_a_list_of_no_service_refuses_the_start(tmp_path: Path) -> None:
    """A slip would leave a service open: it is said, with the nearest name, before anything else.

    So is a name that no certificate can have. Nothing of the installation has to be there.
    """
    peer = {"target": "127.0.0.1:1", "server_name": "x"}
    nowhere = {name: str(tmp_path / name) for name in ("cert_file", "key_file", "ca_file")}
    callers = {
        "zikao.enrollment.v1.OrderServices": ["portal"],
        "zikao.payment.v1.PaymentNotificationService": ["payment platform"],
    }
    settings = {
        "server": {"listen": "127.0.0.1:0", "tls": nowhere, "callers": callers},
        "database": {"dsn": "postgresql://127.0.0.1:1/nothing"},
        "registration": peer,
        "platform": peer,
    }
    path = tmp_path / "enrollment.yaml"
    path.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "zikao_enrollment", "serve", "--config", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == CONFIG_EXIT_CODE
    assert "did you mean zikao.enrollment.v1.OrderService?" in result.stderr
    assert "'payment platform' is no name" in result.stderr


async def codes_with(probe: Probe, files: CertFiles) -> set[grpc.StatusCode]:
    """How calls of each kind end with a certificate: unary, both streams, health, contracts."""
    async with probe.channel_with(channel_credentials(files)) as channel:
        stub = probe_pb2_grpc.ProbeServiceStub(channel)
        message, bearer = probe_pb2.ExchangeRequest(text="甲"), probe.bearer("candidate")
        return {
            await stub.Open(OPEN, timeout=5).code(),
            await first_code(lambda: stub.Subscribe(probe_pb2.SubscribeRequest())),
            await first_code(lambda: stub.Exchange(iter([message]), timeout=5, metadata=bearer)),
            await health_over(channel),
            await reflection_over(channel),
        }


@pytest.mark.parametrize("lists", [{}, {"*": ["portal", "scanner"], HEALTH: ["portal", "scanner"]}])
async def test_a_stolen_certificate_is_refused(
    tmp_path: Path, lists: Mapping[str, Sequence[str]]
) -> None:
    """Whatever it calls, whether its name is on a list or there is none; others are let in.

    Also those of the same name with another key: the rightful owner has one at once. What was
    signed anew, by whomever, is refused as long as its key is the stolen one.
    """
    ca = DevelopmentCa(tmp_path / "ca")
    stolen, rightful = ca.issue("portal"), new_certificate(tmp_path / "ca", "portal")
    settings = {"callers": lists, "refused_certificates": (key_fingerprint_of(stolen),)}
    denied = {grpc.StatusCode.PERMISSION_DENIED}
    async with running_probe(tmp_path / "ca", reflection=True, **settings) as probe:
        for files in (stolen, signed_otherwise(stolen)):
            assert await codes_with(probe, files) == denied
        assert probe.servicer.entered == []
        for files in (rightful, ca.issue("scanner")):
            assert await codes_with(probe, files) == {grpc.StatusCode.OK}


async def test_who_is_refused_is_told_which_certificate(tmp_path: Path) -> None:
    """The rightful owner may not know. It is counted each time, and logged once with the key."""
    ca = DevelopmentCa(tmp_path / "ca")
    fingerprint = key_fingerprint_of(ca.issue("portal"))
    labels = {"grpc_service": PROBE}
    before = REGISTRY.get_sample_value("zikao_callers_refused_total", labels) or 0
    async with running_probe(tmp_path / "ca", refused_certificates=(fingerprint,)) as probe:
        with capture_logs() as logs:
            async with probe.stub("portal") as stub:
                for _ in range(2):
                    error = await refusal(stub.Open(OPEN, timeout=5))
    assert reason_of(error) == "PERMISSION_DENIED"
    expected = {"caller": "portal", "refused_certificate": fingerprint}
    assert problem_of(error).metadata == expected
    (told,) = [line for line in logs if line["event"] == "certificate is refused"]
    assert (told["grpc_service"], told["refused"], told["key"]) == (PROBE, "portal", fingerprint)
    assert REGISTRY.get_sample_value("zikao_callers_refused_total", labels) == before + 2
