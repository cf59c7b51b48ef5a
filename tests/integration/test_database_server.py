"""The embedded PostgreSQL of an installation: killed, and kept from starting for a while."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import asyncpg
import pytest
from support.processes import is_alive
from support.service import free_port, until
from zikao_ctl.beside import beside
from zikao_ctl.database_server import EmbeddedServer
from zikao_ctl.embedded_postgres import EmbeddedPostgresError
from zikao_ctl.ports import HOST


async def test_it_comes_back_even_when_its_port_was_taken_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart that fails is tried again until it goes well."""
    monkeypatch.setattr("zikao_ctl.database_server.POLL_SECONDS", 1.0)  # the thief is faster
    port = free_port()
    server = EmbeddedServer(tmp_path / "postgres", port)
    async with beside(server.run()):
        await server.until_it_answers()
        killed = server.process_ids["postgres"]
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            os.kill(killed, signal.SIGKILL)
            await until(lambda: not is_alive(killed))
            thief.bind((HOST, port))
            thief.listen()
            await until(lambda: server.process_ids == {})
            await asyncio.sleep(1.0)
            assert server.process_ids == {}
        await until(lambda: "postgres" in server.process_ids)
        connection = await asyncpg.connect(server.admin_dsn("postgres"))
        await connection.close()
        last = server.process_ids["postgres"]
    assert not is_alive(last)


async def test_a_first_start_that_fails_ends_the_block(tmp_path: Path) -> None:
    """Whoever waits for it hears why, instead of waiting for ever."""
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres/thesis.txt").write_text("years of work")
    server = EmbeddedServer(tmp_path / "postgres", free_port())
    with pytest.raises(EmbeddedPostgresError, match="holds other files"):
        async with beside(server.run()):
            await server.until_it_answers()
            pytest.fail("it answers")


async def test_a_stop_amid_the_start_leaves_no_process(tmp_path: Path) -> None:
    """Cancelled while it starts, the server is stopped once it can be."""
    server = EmbeddedServer(tmp_path / "postgres", free_port())
    async with beside(server.run()):
        await asyncio.sleep(0.3)  # initdb is at work
    assert server.process_ids == {}
    assert not (tmp_path / "postgres/pgdata/postmaster.pid").exists()
