"""A real server, and what is too much for it before any of our code sees it."""

from pathlib import Path

import grpc
import pytest
from support.probe import refusal, running_probe
from zikao.test.v1 import probe_pb2
from zikao_kit.config import MAX_METADATA_BYTES

OPEN = probe_pb2.OpenRequest()
# gRPC's own part of a call's metadata: path, authority, user agent.
ROOM_BYTES = 1024


# Twenty times 20 bounds: who sends much more that no call sees is let go by the warden.
@pytest.mark.parametrize("too_many", [1, 20 * MAX_METADATA_BYTES])
async def test_metadata_is_bounded(tmp_path: Path, too_many: int) -> None:
    """Metadata up to the bound is taken; beyond, the call ends there, and the connection lives."""
    fits = (("x-padding", "x" * (MAX_METADATA_BYTES - ROOM_BYTES)),)
    too_much = (("x-padding", "x" * (MAX_METADATA_BYTES + too_many)),)
    async with running_probe(tmp_path) as probe, probe.stub() as stub:
        for _ in range(20):  # between two bounds it would be a matter of chance
            await stub.Open(OPEN, timeout=5, metadata=fits)
            error = await refusal(stub.Open(OPEN, timeout=5, metadata=too_much))
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert probe.servicer.entered == ["Open"] * 20
