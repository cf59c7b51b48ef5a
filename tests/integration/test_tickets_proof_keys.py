"""The keys that sign tickets change while the service runs and scanners are out in the schools."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from support.commands import without_log
from support.config_files import write_config
from support.service import TIMEOUT_SECONDS, new_id, until
from support.service_databases import MakeDatabase
from support.tickets_database import SESSION
from support.tickets_service import Installation, reason, tickets_installation
from zikao.tickets.v1 import ticket_service_pb2 as tickets
from zikao.tickets.v1 import verification_service_pb2 as pb
from zikao_client.scanner import Scanner, TicketRefused
from zikao_ctl.main import main as zikao
from zikao_ctl.verify_ticket_command import LIST_FILE, TRUST_FILE, fetch_verification
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets import main as tickets_main
from zikao_tickets import verification_data
from zikao_tickets.__main__ import main
from zikao_tickets.proof import key_id_of
from zikao_tickets.proof_key_commands import AT_ONCE

ZHANG, LI = UUID(int=1), UUID(int=2)
SECOND = "202204-2"
LEAD = timedelta(hours=24)


class Operator:
    """Runs the commands with the service's own configuration."""

    def __init__(self, file: Path) -> None:
        self._options = ["--config", str(file)]

    async def run(self, *command: str) -> str:
        """What the command says; `Error: …` where it refuses."""
        result = await asyncio.to_thread(CliRunner().invoke, main, [*command, *self._options])
        (said,) = without_log(result.output).splitlines()
        assert (result.exit_code == 0) != said.startswith("Error: ")
        return said


@pytest.fixture
async def service(
    tmp_path: Path, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Installation]:
    """Two published seats, at the moment printing opens; keys are read again at once."""
    monkeypatch.setattr(tickets_main, "PROOF_KEYS_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(verification_data, "KEPT_SECONDS", 0.0)
    async with tickets_installation(tmp_path, await make_database("tickets")) as running:
        for person in (ZHANG, LI):
            jpeg = portrait_jpeg(person.int, "女")
            running.peers.photos[str(person)] = jpeg
            running.peers.register(person, "张三", jpeg)
            running.peers.enroll(person, (1, "00015"))
        await running.published_county()
        await running.move_to(SESSION.printing_opens_at)
        yield running


async def printed(service: Installation, person: UUID) -> str:
    """The text of the QR code that the candidate prints now."""
    names = {"session_code": "22.1"}
    notice = tickets.AcknowledgeNoticeRequest(request_id=new_id(), version=1, **names)
    await service.tickets.AcknowledgeNotice(notice, **service.candidate(person))
    request = tickets.PrintTicketRequest(request_id=new_id(), **names)
    return str((await service.tickets.PrintTicket(request, **service.candidate(person))).proof)


async def checked(service: Installation, proof: str) -> Any:
    """A scanner's question at the door."""
    request = pb.VerifyTicketRequest(proof=proof)
    return await service.verification.VerifyTicket(request, timeout=TIMEOUT_SECONDS)


async def known_keys(service: Installation) -> list[str]:
    """Ids of the keys that the running service tells scanners."""
    request = pb.GetVerificationDataRequest(session_code="22.1")
    answer = await service.verification.GetVerificationData(request, timeout=TIMEOUT_SECONDS)
    return [key.key_id for key in answer.keys]


async def test_a_key_is_announced_signs_and_goes(service: Installation, tmp_path: Path) -> None:
    """From its announcement to the retirement of the one before, no good ticket is refused.

    The running service takes everything over; a scanner that fetches lists in between follows, and
    after the retirement both refuse what the old key has signed.
    """
    operator = Operator(write_config(tmp_path / "tickets.yaml", service.config))
    (first,) = await known_keys(service)
    folder = tmp_path / "scanner"
    folder.mkdir()

    async def scanner() -> Scanner:
        await fetch_verification(service.verification, "22.1", folder)
        return Scanner.load(folder / LIST_FILE, folder / TRUST_FILE)

    old = await printed(service, ZHANG)
    assert key_id_of(old) == first
    known = (await scanner()).known
    assert (known.number, known.key_epoch) == (1, 1)
    said = await operator.run("rotate-proof-key")
    assert said.startswith(f"{SECOND} signs from 2022-04-12 01:00:")
    assert (await operator.run("rotate-proof-key")).startswith(f"Error: {SECOND} signs from")
    await until(lambda: _knows(service, [first, SECOND]))
    announced = await scanner()
    assert (announced.known.number, list(announced.known.keys)) == (2, [first, SECOND])
    assert announced.known.key_epoch == 2
    assert (await operator.run("retire-proof-key", first)).startswith(f"Error: {first} signs")

    await service.move_to(SESSION.printing_opens_at + LEAD + timedelta(minutes=1))
    new = await printed(service, LI)
    assert key_id_of(new) == SECOND
    assert key_id_of(await printed(service, ZHANG)) == first
    for proof in (old, new):
        announced.verify(proof)
        assert (await checked(service, proof)).ticket_number
    refusal = await operator.run("retire-proof-key", first)
    assert refusal == f"Error: 1 tickets in force need {first}; --reissue replaces them"
    gone = await operator.run("retire-proof-key", first, "--reissue")
    assert gone == f"{first} is retired; 1 tickets must be printed again"
    await until(lambda: _knows(service, [SECOND]))
    assert await reason(checked(service, old)) == "PROOF_REJECTED"
    anew = await printed(service, ZHANG)
    assert (key_id_of(anew), await reason(checked(service, anew))) == (SECOND, None)
    latest = await scanner()
    latest.verify(anew)
    data = pb.GetVerificationDataRequest(session_code="22.1")
    told = await service.verification.GetVerificationData(data, timeout=TIMEOUT_SECONDS)
    assert (latest.known.key_epoch, told.key_epoch) == (3, 3)
    with pytest.raises(TicketRefused, match="签名密钥未知"):
        latest.verify(old)
    unknown = await operator.run("retire-proof-key", "k9")
    assert unknown == f"Error: there is no key k9; the keys are {SECOND}"


async def _knows(service: Installation, keys: list[str]) -> bool:
    return await known_keys(service) == keys


async def test_a_stolen_key_signs_no_more_in_minutes(service: Installation, tmp_path: Path) -> None:
    """At once means the two minutes in which every process reads the keys; then it can go."""
    operator = Operator(write_config(tmp_path / "tickets.yaml", service.config))
    (first,) = await known_keys(service)
    await operator.run("rotate-proof-key", "--now")
    await service.move_to(SESSION.printing_opens_at + AT_ONCE + timedelta(minutes=1))
    await until(lambda: _knows(service, [first, SECOND]))
    proof = await printed(service, ZHANG)
    assert key_id_of(proof) == SECOND
    assert (await operator.run("retire-proof-key", first)).startswith(
        f"{first} is retired; 0 tickets"
    )
    await until(lambda: _knows(service, [SECOND]))
    assert (await checked(service, proof)).ticket_number


async def test_a_list_has_a_new_number_only_for_something_new(service: Installation) -> None:
    """The same keys and revoked tickets keep the number; there is none of an unknown session."""

    async def number(session_code: str) -> int:
        request = pb.GetVerificationFileRequest(session_code=session_code)
        answer = await service.verification.GetVerificationFile(request, timeout=TIMEOUT_SECONDS)
        return int(answer.list_number)

    assert [await number("22.1") for _ in range(3)] == [1, 1, 1]
    assert await reason(number("22.9")) == "SESSION_UNKNOWN"


async def test_a_command_sets_a_scanner_up(service: Installation, tmp_path: Path) -> None:
    """Both files are there and go together; run again it fetches the list and leaves the trust."""
    folder = tmp_path / "scanner"
    certs = service.ca.issue("operator").cert_file.parent

    async def fetched(session_code: str) -> str:
        options = ["--session", session_code, "--out", str(folder), "--certs", str(certs)]
        where = ["--tickets", f"localhost:{service.port}"]
        command = ["fetch-verification", *options, *where]
        return (await asyncio.to_thread(CliRunner().invoke, zikao, command)).output

    assert f"{folder / LIST_FILE}: list 1\n" in await fetched("22.1")
    trust = (folder / TRUST_FILE).read_bytes()
    Scanner.load(folder / LIST_FILE, folder / TRUST_FILE).verify(await printed(service, ZHANG))
    taken = (folder / TRUST_FILE).read_bytes()
    assert taken != trust
    assert "list 1\n" in await fetched("22.1")
    assert (folder / TRUST_FILE).read_bytes() == taken
    assert "Error: " in await fetched("22.9")
