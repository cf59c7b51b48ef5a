"""kill -9 of the service or of the command while a county's tickets are printed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pypdfium2
import pytest
from support.service import TIMEOUT_SECONDS, until
from support.service_databases import MakeDatabase
from support.tickets_crowd import seed_candidates, site_for
from support.tickets_database import CLOSED, COUNTY, SESSION
from support.tickets_process import process_serving
from support.tickets_service import Installation, tickets_installation
from zikao.tickets.v1 import document_service_pb2 as documents
from zikao.tickets.v1 import document_service_pb2_grpc
from zikao_kit.crypto import KeyRing

CANDIDATES = 600
# So much of the file is there when the victim dies: about a third.
KILL_AT_BYTES = 4_000_000
SECONDS = 60.0


@pytest.fixture
async def printing(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A county whose seats are published; the service itself is stopped."""
    dsn = await make_database("tickets")
    async with tickets_installation(tmp_path, dsn) as it:
        await it.apply(SESSION, site_for(CANDIDATES))
        await it.move_to(CLOSED)
        key_ring = KeyRing.from_file(it.config.key_ring_file)
        await seed_candidates(dsn, key_ring, CANDIDATES)
        await it.publish((await it.arranged()).arrangement_id)
        await it.stop()
        yield it


async def start_export(it: Installation, out: Path) -> Process:
    """The command, as an operator starts it."""
    certs = it.ca.issue("operator").cert_file.parent
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "zikao_ctl.main", "export", "tickets", "--session", "22.1"),
        *("--county", COUNTY, "--out", str(out), "--certs", str(certs)),
        *("--tickets", f"127.0.0.1:{it.port}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def fetch_again(it: Installation) -> bytes:
    """The only document there is, from its beginning to its end."""
    stub = document_service_pb2_grpc.DocumentServiceStub(it.channel("operator"))
    listed = await stub.ListDocuments(
        documents.ListDocumentsRequest(session_code="22.1"), timeout=TIMEOUT_SECONDS
    )
    (document,) = listed.documents
    request = documents.StreamDocumentRequest(document_id=document.document_id)
    pieces = stub.StreamDocument(request, timeout=SECONDS)
    return b"".join([piece.content async for piece in pieces])


@pytest.mark.parametrize("victim", ["service", "command"])
async def test_a_bulk_print_survives_a_kill(
    printing: Installation, tmp_path: Path, victim: str
) -> None:
    """The file is the document byte for byte, and every ticket was logged as printed once."""
    out = tmp_path / "tickets.pdf"
    part = out.with_name("tickets.pdf.part")
    async with process_serving(printing, tmp_path) as service:
        command = await start_export(printing, out)
        await until(lambda: part.exists() and part.stat().st_size > KILL_AT_BYTES, SECONDS)
        assert command.returncode is None, "it was over before it could be killed"
        if victim == "service":
            service.kill()
        else:
            os.kill(command.pid, signal.SIGKILL)
            await command.wait()
            assert not out.exists()
    async with process_serving(printing, tmp_path):
        if victim == "command":
            command = await start_export(printing, out)
        said, _ = await asyncio.wait_for(command.communicate(), SECONDS)
        assert command.returncode == 0, said.decode()
        assert f"{CANDIDATES} pages, 0 tickets left out" in said.decode()
        assert await fetch_again(printing) == out.read_bytes()
    assert len(pypdfium2.PdfDocument(out.read_bytes())) == CANDIDATES
    connection = await asyncpg.connect(printing.config.database.dsn)
    logged = await connection.fetchrow(
        "SELECT count(*) AS prints, count(DISTINCT candidate_id) AS people FROM tickets.print_log"
    )
    await connection.close()
    assert logged is not None
    assert (logged["prints"], logged["people"]) == (CANDIDATES, CANDIDATES)
