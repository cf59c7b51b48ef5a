"""A real server over mutual TLS: whom it lets in."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.probe import SERVICE, Probe, refusal, refused, running_probe
from zikao.test.v1 import probe_pb2
from zikao_kit.error_table import problem_of, reason_of
from zikao_kit.tls import DevelopmentCa
from zikao_kit.tokens import TokenIssuer

Code = grpc.StatusCode


@pytest.fixture
async def probe(tmp_path: Path) -> AsyncIterator[Probe]:
    """A running server."""
    async with running_probe(tmp_path / "ca") as running:
        yield running


async def test_candidate_with_token_is_known(probe: Probe) -> None:
    """A valid token makes the actor, together with the name in the certificate."""
    async with probe.stub("portal") as stub:
        answer = await stub.Candidate(
            probe_pb2.CandidateRequest(), timeout=5, metadata=probe.bearer("candidate")
        )
    assert (answer.subject, answer.role, answer.caller) == (
        "some-candidate",
        "candidate",
        "portal",
    )


async def test_call_without_token_is_refused(probe: Probe) -> None:
    """A method for roles needs a token."""
    error = await refused(probe, "Candidate", probe_pb2.CandidateRequest())
    assert (error.code(), reason_of(error)) == (Code.UNAUTHENTICATED, "TOKEN_INVALID")


async def test_expired_token_is_refused(probe: Probe) -> None:
    """A token is good until its end by the injected clock, remembered or not."""
    bearer = probe.bearer("candidate")
    async with probe.stub() as stub:
        await stub.Candidate(probe_pb2.CandidateRequest(), timeout=5, metadata=bearer)
        probe.clock.advance(timedelta(minutes=10))
        error = await refusal(
            stub.Candidate(probe_pb2.CandidateRequest(), timeout=5, metadata=bearer)
        )
    assert (error.code(), reason_of(error)) == (Code.UNAUTHENTICATED, "TOKEN_EXPIRED")


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer ", "Bearer a.b.c"])
async def test_malformed_token_is_refused(probe: Probe, header: str) -> None:
    """What is no token is refused as one."""
    error = await refused(
        probe, "Candidate", probe_pb2.CandidateRequest(), metadata=(("authorization", header),)
    )
    assert reason_of(error) == "TOKEN_INVALID"


async def test_foreign_token_is_refused(probe: Probe) -> None:
    """A token signed by another key under our key id is refused."""
    foreign = TokenIssuer("k1", Ed25519PrivateKey.generate(), probe.clock, timedelta(minutes=5))
    header = f"Bearer {foreign.issue('x', 'candidate').token}"
    error = await refused(
        probe, "Candidate", probe_pb2.CandidateRequest(), metadata=(("authorization", header),)
    )
    assert (error.code(), reason_of(error)) == (Code.UNAUTHENTICATED, "TOKEN_INVALID")


async def test_wrong_role_is_refused(probe: Probe) -> None:
    """An officer cannot act as a candidate."""
    error = await refused(
        probe,
        "Candidate",
        probe_pb2.CandidateRequest(),
        metadata=probe.bearer("county_officer", "510104"),
    )
    assert (error.code(), reason_of(error)) == (Code.PERMISSION_DENIED, "PERMISSION_DENIED")


async def test_restricted_token_opens_nothing(probe: Probe) -> None:
    """Who still has the initial password reaches only methods for anyone (DOMAIN section 3)."""
    bearer = probe.bearer("candidate", restricted=True)
    error = await refused(probe, "Candidate", probe_pb2.CandidateRequest(), metadata=bearer)
    assert reason_of(error) == "PERMISSION_DENIED"
    async with probe.stub() as stub:
        answer = await stub.Open(probe_pb2.OpenRequest(), timeout=5, metadata=bearer)
    assert answer.role == "candidate"


async def test_officer_within_scope_is_served(probe: Probe) -> None:
    """A city's officer covers its counties."""
    async with probe.stub() as stub:
        answer = await stub.Officer(
            probe_pb2.OfficerRequest(county_code="510104"),
            timeout=5,
            metadata=probe.bearer("city_officer", "5101"),
        )
    assert answer.scope == "5101"


@pytest.mark.parametrize("county_code", ["510200", "51", ""])
async def test_county_out_of_scope_is_refused(probe: Probe, county_code: str) -> None:
    """Another county, a wider code, or none at all: not this officer's."""
    error = await refused(
        probe,
        "Officer",
        probe_pb2.OfficerRequest(county_code=county_code),
        metadata=probe.bearer("county_officer", "510104"),
    )
    assert (error.code(), reason_of(error)) == (Code.PERMISSION_DENIED, "OUT_OF_SCOPE")


async def test_each_message_of_a_stream_is_checked_for_scope(probe: Probe) -> None:
    """A stream cannot smuggle a foreign county behind a good first message."""
    codes = ["510104", "510104", "510105"]
    requests = [probe_pb2.CollectRequest(county_code=code) for code in codes]
    bearer = probe.bearer("county_officer", "510104")
    async with probe.stub() as stub:
        answer = await stub.Collect(iter(requests[:2]), timeout=5, metadata=bearer)
        assert answer.count == 2
        error = await refusal(stub.Collect(iter(requests), timeout=5, metadata=bearer))
    assert reason_of(error) == "OUT_OF_SCOPE"
    assert problem_of(error).metadata["message_index"] == "2"


async def test_named_service_needs_no_token(probe: Probe) -> None:
    """A service is known by its certificate and acts under its own name."""
    async with probe.stub("enrollment") as stub:
        answer = await stub.Service(probe_pb2.ServiceRequest(), timeout=5)
    assert (answer.subject, answer.role) == ("enrollment", "service")


async def test_other_service_is_refused(probe: Probe) -> None:
    """A certificate of the installation alone does not open another service's method."""
    error = await refused(probe, "Service", probe_pb2.ServiceRequest(), caller="tickets")
    assert (error.code(), reason_of(error)) == (Code.PERMISSION_DENIED, "PERMISSION_DENIED")


async def test_token_counts_even_for_a_named_service(probe: Probe) -> None:
    """A service that acts for a candidate has the candidate's rights, not its own."""
    error = await refused(
        probe,
        "Service",
        probe_pb2.ServiceRequest(),
        caller="enrollment",
        metadata=probe.bearer("candidate"),
    )
    assert reason_of(error) == "PERMISSION_DENIED"


async def test_anyone_may_call_with_a_useless_token(probe: Probe) -> None:
    """Logging in again works with an expired token at hand."""
    bearer = probe.bearer("candidate")
    probe.clock.advance(timedelta(days=1))
    async with probe.stub() as stub:
        answer = await stub.Open(probe_pb2.OpenRequest(), timeout=5, metadata=bearer)
    assert (answer.role, answer.subject, answer.caller) == ("anonymous", "", "portal")


@pytest.mark.parametrize("caller", ["portal", "enrollment"])
async def test_method_without_permission_is_refused_for_everyone(probe: Probe, caller: str) -> None:
    """A method that states no permission is closed, and its code is not reached."""
    error = await refused(probe, "Forgotten", probe_pb2.ForgottenRequest(), caller=caller)
    assert (error.code(), reason_of(error)) == (Code.PERMISSION_DENIED, "METHOD_NOT_PERMITTED")
    assert probe.servicer.entered == []


async def test_no_client_certificate_no_connection(probe: Probe) -> None:
    """Without a client certificate there is no connection."""
    authority = probe.ca.issue("portal").ca_file.read_bytes()
    async with probe.channel_with(grpc.ssl_channel_credentials(authority)) as channel:
        error = await refusal(channel.unary_unary(SERVICE + "Open")(b"", timeout=2))
    assert error.code() in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)
    assert probe.servicer.entered == []


async def test_foreign_client_certificate_no_connection(probe: Probe, tmp_path: Path) -> None:
    """A certificate of another authority, with a name we know, does not get in."""
    foreign = DevelopmentCa(tmp_path / "foreign").issue("enrollment")
    credentials = grpc.ssl_channel_credentials(
        probe.ca.issue("portal").ca_file.read_bytes(),
        foreign.key_file.read_bytes(),
        foreign.cert_file.read_bytes(),
    )
    async with probe.channel_with(credentials) as channel:
        error = await refusal(channel.unary_unary(SERVICE + "Open")(b"", timeout=2))
    assert error.code() in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)
    assert probe.servicer.entered == []
