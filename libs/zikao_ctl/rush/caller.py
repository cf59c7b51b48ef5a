"""A generator: a process of its own that plays a part of the candidates.

    python -m zikao_ctl.rush.caller

The first line of stdin is a pickled Setup (base64) of the parent; then come commands, a JSON line
each, as stdout says with an `event` that the one before is done. Ticks go to stdout as they end.
Everything is serialised before the clock starts, and what is garbage then is not looked at again.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import pickle
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import grpc
import uvloop
from zikao_kit.certificates import read_certificates
from zikao_kit.channel import open_channel
from zikao_kit.config import CertFiles
from zikao_kit.server_names import Server, server_at

from zikao_ctl.rush.browsing import Browser
from zikao_ctl.rush.calibrating import Steps
from zikao_ctl.rush.connections import Connections
from zikao_ctl.rush.http2 import Address
from zikao_ctl.rush.logging_in import log_in_all
from zikao_ctl.rush.paying import Payers, stubs
from zikao_ctl.rush.people import Candidate, make_candidates
from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.rush.sending import Rules, Sender
from zikao_ctl.rush.submissions import CALL_SECONDS, Account, Submission, Tokens
from zikao_ctl.rush.ticking import Ticker
from zikao_ctl.rush.verifying import Orders
from zikao_ctl.rush.waiting_line import WaitingLine
from zikao_ctl.session_model import SessionFile

# For single calls of a portal; and channels for joins and streams.
CONNECTIONS, CHANNELS = 4, 4
# Nearly all that is allocated goes by counting; looking for cycles would stop the clock.
GARBAGE_THRESHOLDS = 100_000, 50, 1000
RESOLVE_SECONDS = 20.0
# Before the opening, as a share of the time that the doors are shut.
JOINED_BY = 0.9
PLATFORM = "payment-platform"
_MESSAGE_BYTES = 16 * 1024 * 1024

Command = Mapping[str, Any]


@dataclass(frozen=True)
class Setup:
    """What a generator has to know: it plays every `parts`-th candidate, from `part`.

    The first candidates log in with `accounts`; `tokens` makes those of the others. Without a
    `platform` nobody pays.
    """

    scenario: Scenario
    session: SessionFile
    seed: int
    part: int
    parts: int
    calibration_code: str
    calibrated_with: int
    enrollment: str
    registration: str
    platform: str
    portal_files: CertFiles
    operator_files: CertFiles
    tokens: Tokens | None
    accounts: Sequence[Account]
    acks_file: Path


class Generator:
    """Does what the parent commands."""

    def __init__(self, setup: Setup, stack: AsyncExitStack, say: Callable[[object], None]) -> None:
        self._setup = setup
        self._say = say
        self._stack = stack
        self._ticker = Ticker(say, time.monotonic())
        self._channels: list[grpc.aio.Channel] = []
        self._server = server_at(setup.enrollment, "enrollment")
        host, _, port = self._server.target.rpartition(":")
        address = Address(host.strip("[]"), int(port), self._server.name, setup.portal_files)
        portals = max(1, round(setup.scenario.portals / setup.parts))
        self._portals = [Connections(address, CALL_SECONDS) for _ in range(portals)]
        self._main: list[Submission] = []
        self._calibration: list[Submission] = []
        self._came: list[Submission] = []
        self._payers: Payers | None = None
        # Whoever helps to calibrate pays, too: that is part of what the service has to do.
        self._uncounted: Payers | None = None
        self._line: WaitingLine | None = None
        self._ended = asyncio.Event()
        self._steps: Steps | None = None
        self.commands: Mapping[str, Callable[[Command], Awaitable[Command]]] = {
            "connect": self._connect,
            "log_in": self._log_in,
            "calibrate": self._calibrate,
            "run": self._run,
            "pay_late": self._pay_late,
            "finish": self._finish,
            "look": lambda _: self._orders.look(self._main),
            "verify": lambda _: self._orders.compare(self._came),
            "give_back": lambda _: self._orders.give_back(self._came),
        }

    def prepare(self) -> None:
        """Make people, tokens and requests."""
        setup = self._setup
        people = list(make_candidates(setup.scenario, setup.session, setup.seed))
        mine = people[setup.part :: setup.parts]
        metadata = list(setup.tokens.metadata(mine)) if setup.tokens else [()] * len(mine)
        for candidate, known in zip(mine, metadata, strict=True):
            self._main.append(Submission(candidate, setup.session.code, known))
        self._calibration = list(self._calibrating(mine[: setup.calibrated_with // setup.parts]))
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)

    def _calibrating(self, first: Sequence[Candidate]) -> Iterator[Submission]:
        """Tokens of their own: the service is to see each of them for the first time, twice."""
        tokens, code = self._setup.tokens, self._setup.calibration_code
        metadata = tokens.metadata(first) if tokens else repeat(())
        for candidate, known in zip(first, metadata, strict=False):
            yield Submission(candidate, code, known)

    def end(self) -> None:
        """End the phase that runs."""
        self._ended.set()

    def hold(self, command: Command) -> None:
        """Go up no further: `rate` from now on, until `ends`, and then the calibration is over."""
        if self._steps is None:
            return
        begins, ends = float(command["begins"]), float(command["ends"])
        self._steps.hold(self._calibration, begins, ends, float(command["rate"]))

    async def _connect(self, _: Command) -> Command:
        setup = self._setup
        for portal in self._portals:
            await portal.open(CONNECTIONS)
            self._stack.push_async_callback(portal.close)
        for _number in range(CHANNELS):
            channel = _own_connection(self._server, setup.portal_files)
            self._channels.append(await self._stack.enter_async_context(channel))
        await asyncio.gather(*(channel.channel_ready() for channel in self._channels))
        self._service = await self._open(setup.enrollment, "enrollment")
        self._orders = Orders(self._service)
        if setup.platform:
            platform = open_channel(setup.platform, setup.operator_files, server_name=PLATFORM)
            await self._stack.enter_async_context(platform)
            called = stubs(self._service, platform)
            self._payers = Payers(*called, self._ticker)
            self._uncounted = Payers(*called, Ticker(lambda _: None, time.monotonic()))
        return {}

    async def _open(self, address: str, service: str) -> grpc.aio.Channel:
        server, files = server_at(address, service), self._setup.portal_files
        channel = open_channel(server.target, files, server_name=server.name)
        return await self._stack.enter_async_context(channel)

    async def _log_in(self, _: Command) -> Command:
        """Have those log in who do it for real."""
        accounts = dict(enumerate(self._setup.accounts))
        mine = [each for each in self._main if each.candidate.number in accounts]
        channel = await self._open(self._setup.registration, "registration")
        await log_in_all(channel, [(each, accounts[each.candidate.number]) for each in mine])
        return {}

    def _sender(self, payers: Payers | None) -> Sender:
        rules = Rules(self._setup.scenario.patience_seconds)
        on_accepted = payers.begin if payers else (lambda _: None)
        return Sender(self._portals, self._ticker, rules, on_accepted, self._back_to_line)

    def _back_to_line(self, submission: Submission) -> None:
        if self._line:
            self._line.add(time.monotonic(), submission, 1)

    async def _calibrate(self, command: Command) -> Command:
        """Steps of 1.25 up from a rate, until held and for so long."""
        self._ended.clear()
        self._ticker.begin("calibration", time.monotonic())
        sender, begins = self._sender(self._uncounted), float(command["begins"])
        seconds = float(command["seconds"])
        browser = Browser(self._portals[0], self._ticker, self._setup.calibration_code)
        steps = self._steps = Steps(sender, browser)
        steps.go_up(self._calibration, begins, float(command["rate"]), seconds)

        def until(now: float) -> bool:
            browser.step(now)
            return now >= steps.ends

        await sender.run(until)
        self._steps = None
        sender.forget_due()
        await sender.drain()
        self._ticker.waiting = 0
        self._ticker.advance(time.monotonic())
        return {}

    async def _run(self, command: Command) -> Command:
        """Browse before, submit from `opening` for `seconds`, and then whoever still waits."""
        self._ended.clear()
        setup = self._setup
        opening, seconds = float(command["opening"]), float(command["seconds"])
        sender = self._sender(self._payers)
        if setup.scenario.waiting_room:
            code = setup.session.code
            self._line = WaitingLine(self._channels, self._ticker, code, sender.admit)
        early = opening - float(command["early_seconds"])
        self._ticker.begin("early", time.monotonic())
        browser = Browser(self._portals[0], self._ticker, setup.session.code)
        coming, of = int(command["coming"]), setup.scenario.candidates
        self._came = [each for each in self._main if comes(each.candidate.number, coming, of)]
        for each in self._came:
            at = opening + each.candidate.arrives * seconds
            sender.add(self._come_in(each, at, early, opening), each)
            if each.candidate.browses:
                browser.add(each.candidate, at, early)

        def until(now: float) -> bool:
            self._ticker.phase = _phase(now, opening, seconds)
            browser.step(now)
            if self._line:
                self._line.step(now)
            return self._ended.is_set()

        await sender.run(until)
        if self._line:
            await self._line.end()
        await self._resolve(sender)
        for payers in (self._uncounted, self._payers):
            if payers:
                await payers.finish()
        return self._paid()

    def _come_in(self, submission: Submission, at: float, early: float, opening: float) -> float:
        """Where there is a waiting room: go there first. Return when seats are wanted."""
        if self._line is None:
            return at
        submission.needs_pass, candidate = True, submission.candidate
        if candidate.waits:
            # All of them, evenly, in what time there is.
            share = candidate.number / self._setup.scenario.candidates
            self._line.add(
                early + share * (opening - early) * JOINED_BY, submission, candidate.tabs
            )
            return opening
        self._line.add(at, submission, candidate.tabs)
        return at

    def _paid(self) -> Command:
        if self._payers is None:
            return {"outcomes": {}, "problems": []}
        return {"outcomes": self._payers.outcomes, "problems": self._payers.problems[:20]}

    async def _resolve(self, sender: Sender) -> None:
        """Ask again for what was doubtful, with the same ids, until it is answered."""
        doubtful = [each for each in sender.forget_due() if each.doubtful]
        now = time.monotonic()
        for each in doubtful:
            sender.add_again(now, each)
        end = now + RESOLVE_SECONDS
        await sender.run(
            lambda at: at >= end or not (sender.is_busy or any(each.doubtful for each in doubtful))
        )
        await sender.drain()

    async def _pay_late(self, _: Command) -> Command:
        if self._payers:
            await self._payers.pay_late()
        return self._paid()

    async def _finish(self, _: Command) -> Command:
        """Write down every candidate's last word."""
        told = self._line.told if self._line else {}
        lines = [
            {**_acknowledged(each), "numbers": told.get(each.candidate.number, [])}
            for each in self._came
        ]
        self._setup.acks_file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return {"joins": self._line.joins if self._line else 0}


def comes(number: int, coming: int, of: int) -> bool:
    """Whether a candidate is one of exactly `coming` that are spread evenly over all `of` them."""
    return (number + 1) * coming // of > number * coming // of


def _phase(now: float, opening: float, seconds: float) -> str:
    if now < opening:
        return "early"
    return "opening" if now < opening + seconds else "calm"


def _acknowledged(submission: Submission) -> dict[str, object]:
    line: dict[str, object] = {
        "candidate_id": str(submission.candidate.candidate_id),
        "outcome": submission.outcome,
        "reason": submission.reason,
        "doubtful": submission.doubtful,
        "pays": submission.candidate.pays,
    }
    if submission.answer:
        order = submission.order()
        line["order_id"], line["county_code"] = order.order_id, order.county_code
        line["courses"] = [each.course_code for each in order.courses]
    return line


def _own_connection(server: Server, files: CertFiles) -> grpc.aio.Channel:
    options = [
        ("grpc.default_authority", server.name),
        ("grpc.max_receive_message_length", _MESSAGE_BYTES),
        # Else channels to one place share a connection.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]
    credentials = read_certificates(files).channel_credentials()
    return grpc.aio.secure_channel(server.target, credentials, options)


def _say(event: object) -> None:
    sys.stdout.write(f"{json.dumps(event)}\n")
    sys.stdout.flush()


async def _obey(setup: Setup, lines: asyncio.StreamReader) -> None:
    async with AsyncExitStack() as stack:
        generator = Generator(setup, stack, _say)
        await asyncio.to_thread(generator.prepare)
        _say({"event": "prepared"})
        async with asyncio.TaskGroup() as group:
            under_way: asyncio.Task[None] | None = None
            while line := await lines.readline():
                command = json.loads(line)
                if command["do"] == "end":
                    generator.end()
                    continue
                if command["do"] == "hold":
                    generator.hold(command)
                    continue
                if under_way:
                    await under_way
                under_way = group.create_task(_do(generator, command))


async def _do(generator: Generator, command: Command) -> None:
    _say({"event": command["do"], **await generator.commands[command["do"]](command)})


async def _main() -> None:
    lines = asyncio.StreamReader(limit=2**26)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    # Of the parent alone, which has the same code.
    setup: Setup = pickle.loads(base64.b64decode(await lines.readline()))  # noqa: S301
    await _obey(setup, lines)


if __name__ == "__main__":
    uvloop.run(_main())
