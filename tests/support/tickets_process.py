"""The tickets service as a process of its own, to be ended by signals."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from support.config_files import write_config
from support.service import until_serving
from support.tickets_service import Installation
from zikao_tickets.config import TicketsConfig


class ServiceProcess:
    """`python -m zikao_tickets serve` with a configuration file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.process: asyncio.subprocess.Process | None = None

    async def serve(self, config: TicketsConfig) -> None:
        """Run until it ends; SIGTERM when cancelled."""
        file = write_config(self._directory / f"tickets-{id(self)}.yaml", config)
        command = (sys.executable, "-m", "zikao_tickets", "serve", "--config", str(file))
        self.process = await asyncio.create_subprocess_exec(*command)
        try:
            await self.process.wait()
        finally:
            if self.process.returncode is None:
                self.process.terminate()
                await self.process.wait()

    def kill(self) -> None:
        """End it as a lost machine does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)


@asynccontextmanager
async def process_serving(it: Installation, directory: Path) -> AsyncIterator[ServiceProcess]:
    """The service as a process at the address of an installation that was stopped."""
    service = ServiceProcess(directory)
    task = asyncio.create_task(service.serve(it.config))
    try:
        await until_serving(it.channel("portal"), task)
        yield service
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
