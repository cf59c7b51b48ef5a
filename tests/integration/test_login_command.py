"""`zikao login` and `zikao logout` against a registration service."""

import asyncio
import json
import os
import pty
import re
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from support.commands import Ended, run_command
from support.one_time_codes import CodeGenerator
from support.registration_people import (
    COUNTY_OFFICER,
    JINJIANG,
    STAFF_PASSWORD,
    apply_session,
    lease_request,
    new_officer,
    staff_request,
)
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import Caller, until
from support.service_databases import MakeDatabase
from zikao.registration.v1 import login_service_pb2 as logins
from zikao_ctl.login_calls import LoginCalls
from zikao_ctl.office_calls import run_calls
from zikao_ctl.token_file import TokenFile

NAME = f"officer-{JINJIANG}"
OWN_PASSWORD = "an officer's own one"
NOT_YET = NOON + timedelta(minutes=20)


@dataclass
class Console:
    """The command as an officer has it, with a certificate that may do nothing of its own."""

    server: RegistrationServer
    token_file: Path

    @property
    def login_file(self) -> Path:
        """What the login goes on with."""
        return self.token_file.with_name("token.login")

    def words(self, *words: str, caller: str = "office") -> list[str]:
        """The command with what tells it where the service is."""
        self.server.ca.issue(caller)
        certs = self.token_file.parent / "certs"
        at = ["--registration", f"127.0.0.1:{self.server.port}", "--certs", str(certs)]
        return [*words, *at, "--caller", caller, "--token-file", str(self.token_file)]

    async def run(
        self, *words: str, answers: tuple[str, ...] = (), caller: str = "office"
    ) -> Ended:
        """Run it, with a line for each answer on one descriptor."""
        read, write = os.pipe()
        os.write(write, "".join(f"{each}\n" for each in answers).encode())
        os.close(write)
        fds = [
            w for kind in ("password", "new-password", "code") for w in (f"--{kind}-fd", f"{read}")
        ]
        arguments = self.words(*words, *(fds if words[0] == "login" else ()), caller=caller)
        try:
            return await run_command(arguments)
        finally:
            os.close(read)

    def refresh(self) -> None:
        """What `login --refresh` does, without taking standard output for itself."""
        where = {
            "registration": f"127.0.0.1:{self.server.port}",
            "certs": self.token_file.parent / "certs",
            "caller": "office",
            "token_file": None,
        }
        file = TokenFile(self.token_file, "office")
        run_calls(LoginCalls, lambda calls: calls.refresh(file), where, "registration")

    async def officer(self) -> Caller:
        """A caller with the token that is in the file."""
        return (await self.server.caller("office")).with_token(self.token_file.read_text().strip())

    async def logged_in(self) -> None:
        """Log in, as one does every day."""
        code = self.server.next_code(NAME)
        ended = await self.run("login", "--name", NAME, answers=(STAFF_PASSWORD, code))
        assert ended.exit_code == 0, ended.output


@pytest.fixture
async def console(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Console]:
    """A running service with the session applied."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield Console(running, tmp_path / "token")


async def test_a_login_lasts_over_refreshes_until_its_end(console: Console) -> None:
    """The file opens what the officer may do, is its owner's alone, and is gone after the end."""
    await new_officer(console.server)
    await console.logged_in()
    for file in (console.token_file, console.login_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = console.token_file.read_text()
    await (await console.officer()).call(lease_request())

    other = await console.run("login", "--refresh", caller="portal")
    assert (other.exit_code, "give --caller office" in other.output) == (1, True)
    await console.server.move_clock(NOT_YET)
    assert (await (await console.officer()).refused(lease_request())).reason == "TOKEN_EXPIRED"
    refreshed = await console.run("login", "--refresh")
    assert refreshed.output.splitlines()[0].endswith("access token until 2022-02-21 12:35")
    assert console.token_file.read_text() != first
    officer = await console.officer()
    await officer.call(lease_request())

    await console.server.move_clock(NOT_YET + timedelta(minutes=20))
    ended = await console.run("logout")
    assert (ended.exit_code, ended.output) == (0, "the login has ended\n")
    assert list(console.token_file.parent.glob("*token*")) == []
    await console.server.move_clock(NOT_YET + timedelta(minutes=1))
    await until(lambda: _is_out(officer))
    assert "has no login to go on with" in (await console.run("login", "--refresh")).output


async def _is_out(officer: Caller) -> bool:
    return (await officer.refused(lease_request())).reason == "TOKEN_INVALID"


async def test_an_answer_that_was_lost_costs_no_login(console: Console) -> None:
    """The same request again gets the same pair; two at once are one after the other."""
    await new_officer(console.server)
    await console.logged_in()
    kept = json.loads(console.login_file.read_text())
    kept["request_id"] = "6f9d2e6a-2f0b-4f43-a8e2-0f8b7d6b3c11"
    console.login_file.write_text(json.dumps(kept))
    lost = logins.RefreshTokenRequest(
        request_id=kept["request_id"], refresh_token=kept["refresh_token"]
    )
    answer = await (await console.server.caller("office")).call(lost)
    assert (await console.run("login", "--refresh")).exit_code == 0
    assert console.token_file.read_text().strip() == answer.tokens.access_token
    await asyncio.gather(*(asyncio.to_thread(console.refresh) for _ in range(2)))

    # Somebody has copied what is there, and used it.
    stolen = json.loads(console.login_file.read_text())["refresh_token"]
    lost.request_id, lost.refresh_token = "6f9d2e6a-2f0b-4f43-a8e2-0f8b7d6b3c12", stolen
    await (await console.server.caller("office")).call(lost)
    refused = await console.run("login", "--refresh")
    assert (refused.exit_code, refused.last_line) == (
        1,
        "Error: LOGIN_ENDED: 登录已失效，请重新登录",
    )
    assert list(console.token_file.parent.glob("*token*")) == []


async def test_what_is_refused_is_said_and_leaves_no_file(console: Console) -> None:
    """A wrong password, a missing code, nobody to ask, no place to write; nothing is written."""
    await new_officer(console.server)
    login = ("login", "--name", NAME)
    for answers, said in (
        (("wrong", ""), "LOGIN_FAILED"),
        ((STAFF_PASSWORD, ""), "SECOND_FACTOR_REQUIRED"),
        ((STAFF_PASSWORD, "12 34"), "six digits"),
        ((STAFF_PASSWORD,), "--code-fd"),
    ):
        refused = await console.run(*login, answers=answers)
        assert (refused.exit_code, said in refused.last_line) == (1, True), refused.output
        assert STAFF_PASSWORD not in refused.output
    asked = await run_command(console.words(*login, "--code-fd", "0"))
    assert (asked.exit_code, "give --password-fd" in asked.output) == (1, True)
    nowhere = Console(console.server, console.token_file.parent / "no" / "token")
    assert "no folder that may be written to" in (await nowhere.run(*login)).output
    assert not console.token_file.exists()


async def test_a_first_login_at_a_terminal(console: Console) -> None:
    """The person is led through the new password and the second factor, and no answer is shown."""
    operator = await console.server.caller("operator")
    await operator.call(staff_request(NAME, COUNTY_OFFICER, JINJIANG, keep_password=False))
    console.server.ca.issue("office")
    terminal, its_end = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "zikao_ctl.main",
        *console.words("login"),
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        start_new_session=True,
    )
    os.close(its_end)
    dialogue = Dialogue(terminal)
    await dialogue.answer("Login name: ", NAME)
    await dialogue.answer("Password: ", STAFF_PASSWORD)
    await dialogue.answer("yet): ", "")
    await dialogue.answer("New password: ", "short")
    await dialogue.answer("Once more: ", "short")
    await dialogue.answer("INVALID_REQUEST", None)
    await dialogue.answer("New password: ", OWN_PASSWORD)
    await dialogue.answer("Once more: ", "another one, by mistake")
    await dialogue.answer("New password: ", OWN_PASSWORD)
    await dialogue.answer("Once more: ", OWN_PASSWORD)
    shown = await dialogue.answer("it shows: ", "000 000")
    (secret,) = re.findall(r"^[A-Z2-7]{32}\r?$", shown, re.MULTILINE)
    assert "▀" in shown
    await dialogue.answer("ONE_TIME_CODE_WRONG", None)
    code = CodeGenerator(secret.strip()).next_code(NOON)
    await dialogue.answer("it shows: ", code)
    await dialogue.answer("while after the last", None)
    assert await process.wait() == 0
    os.close(terminal)
    assert not any(each in dialogue.shown for each in (STAFF_PASSWORD, OWN_PASSWORD, code))
    await (await console.officer()).call(lease_request())


class Dialogue:
    """Somebody at a terminal."""

    def __init__(self, terminal: int) -> None:
        os.set_blocking(terminal, False)
        self._terminal = terminal
        self.shown = ""
        self._read_until = 0

    async def answer(self, prompt: str, answer: str | None) -> str:
        """Wait until it shows something, and type; what was shown since the last time."""
        await until(lambda: self._has(prompt))
        start, self._read_until = (
            self._read_until,
            self.shown.index(prompt, self._read_until) + len(prompt),
        )
        if answer is not None:
            os.write(self._terminal, f"{answer}\n".encode())
        return self.shown[start : self._read_until]

    def _has(self, prompt: str) -> bool:
        with suppress(OSError):  # nothing yet, or the other end is closed
            self.shown += os.read(self._terminal, 65536).decode()
        return prompt in self.shown[self._read_until :]
