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

BROKEN_WHILE_WRITING = """
import os, signal, time
from concurrent.futures.process import BrokenProcessPool
from zikao_tickets.rendering import RenderPool
if __name__ == "__main__":
    pool = RenderPool(1)
    broken = pool._executor
    worker = broken.submit(os.getpid).result()
    broken.submit(time.sleep, 600)
    waiting = [broken.submit(len, bytes(1_000_000)) for _ in range(2)]
    time.sleep(0.5)
    os.kill(worker, signal.SIGKILL)
    assert all(isinstance(each.exception(), BrokenProcessPool) for each in waiting)
    pool._replace(broken)
    pool.close()
"""


def test_a_service_ends_after_a_process_died_while_it_was_written_to(tmp_path: Path) -> None:
    """Sheets are larger than a pipe: what was on its way to a dead process keeps nobody up."""
    script = tmp_path / "service.py"
    script.write_text(BROKEN_WHILE_WRITING)
    ended = subprocess.run([sys.executable, str(script)], timeout=30, check=False)
    assert ended.returncode == 0


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
