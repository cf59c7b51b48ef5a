"""The processes that render tickets end with the service, however it ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from support.processes import is_alive
from support.service import until

SERVICE = """
import os, time
from zikao_tickets.rendering import RenderPool
if __name__ == "__main__":
    pool = RenderPool(1)
    print(pool._executor.submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""


async def test_rendering_processes_do_not_outlive_a_killed_service(tmp_path: Path) -> None:
    """kill -9 of the service takes its rendering processes along."""
    script = tmp_path / "service.py"
    script.write_text(SERVICE)
    service = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    assert service.stdout is not None
    worker = int(await asyncio.to_thread(service.stdout.readline))
    assert is_alive(worker)
    service.kill()
    service.wait()
    service.stdout.close()
    await until(lambda: not is_alive(worker))
