"""The honest callers of bench_abuse before a real server."""

from pathlib import Path

import pytest
from bench.abuse_honest import READ, READS_A_SUBMISSION, Honest, Stage
from bench.overload_seeding import Submissions
from support.bench import paths_of
from support.probe import running_probe
from zikao_ctl.rush.http2 import headers
from zikao_kit.tls import DevelopmentCa

CPU = 0
# What it asks for does not matter here.
ONE_SUBMISSION = Submissions([headers(READ, "enrollment", ())], [(b"", b"")])


@pytest.mark.parametrize("rate", [None, 1_000.0])
async def test_callers_without_calls_say_so(tmp_path: Path, rate: float | None) -> None:
    """A server that nobody calls answers nothing, which would look like an outage of its."""
    ca = DevelopmentCa(tmp_path)
    async with running_probe(tmp_path, tls=ca.issue("enrollment")) as probe:
        stage = Stage(probe.server.port, paths_of(ca.issue("portal")), ONE_SUBMISSION, {}, CPU)
        honest = Honest(stage)
        await honest.start()
        try:
            with pytest.raises(RuntimeError, match="needs more candidates"):
                await honest.run(0.3, rate)
        finally:
            await honest.close()
        # All that there were have been made.
        assert sum(honest.seen.failures.values()) == READS_A_SUBMISSION + 1
