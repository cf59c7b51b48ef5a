"""A rehearsal against a deployment that runs already, with test candidates of it.

It sees no database and moves no clock. What the deployment bears is given, not searched for:
a search would take seats. Nobody pays: the money would be real.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import enrollment_service_pb2_grpc as enrollment_grpc
from zikao.enrollment.v1 import types_pb2 as types
from zikao_client import patiently
from zikao_client.client import MAX_MESSAGE_BYTES
from zikao_kit.channel import open_channel
from zikao_kit.config import CertFiles

from zikao_ctl.beside import beside
from zikao_ctl.csv_table import CsvTable, require_cells
from zikao_ctl.rush import checking
from zikao_ctl.rush.assembling import Found, generators_here, write_up
from zikao_ctl.rush.caller import Setup
from zikao_ctl.rush.generators import Answer, Generators, run_generators
from zikao_ctl.rush.opening import Opening, Terms
from zikao_ctl.rush.records import Check, Payments, Report
from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.rush.submissions import Account
from zikao_ctl.rush.watching import Processors
from zikao_ctl.session_file import load_session_file

_COLUMNS = {"login_name": "登录名", "password": "密码", "access_token": "令牌"}
_TITLES = {
    "lost_acknowledgements": "已答复的报考均查得到",
    "unacknowledged_orders": "未获考位者没有订单",
    "two_counties": "没有人占用两个区县的考位",
}


class TargetRefused(Exception):  # noqa: N818 - says what is wrong
    """A deployment that is not to be put under load like this."""


@dataclass(frozen=True)
class Target:
    """A deployment: where its services listen, who calls, and what it is said to bear a second."""

    enrollment: str
    registration: str
    files: CertFiles
    accounts: Sequence[Account]
    peak: float


def require_ours(target: str, *, operated_by_caller: bool) -> None:
    """Raise TargetRefused for another machine, unless the caller says that it is theirs."""
    host = target.rpartition(":")[0].strip("[]")
    if operated_by_caller or host == "localhost" or _is_loopback(host):
        return
    raise TargetRefused(
        f"{target} is not on this machine: who operates it says so by --i-operate-this-deployment"
    )


def read_accounts(file: Path) -> list[Account]:
    """Test candidates: login_name and password, or access_token.

    Raises ValueError, TableError, OSError.
    """
    table = CsvTable(file, _COLUMNS, optional=_COLUMNS)
    accounts = []
    for line, row in table.rows():
        cells = require_cells(row)
        account = Account(**{column: cells.get(column, "") for column in _COLUMNS})
        if not account.access_token and not (account.login_name and account.password):
            raise ValueError(f"{file}, line {line}: neither a login nor an access_token")
        accounts.append(account)
    if not accounts:
        raise ValueError(f"{file}: nobody is in it")
    return accounts


class TargetRehearsal(Opening):
    """Submissions alone, as the scenario says, by the test candidates there are."""

    def __init__(self, target: Target, scenario: Scenario, terms: Terms) -> None:
        count = min(scenario.candidates, len(target.accounts))
        ways = {"enrollment": 1.0}
        scenario = replace(scenario, candidates=count, ways=ways, logins=count)
        super().__init__(scenario, load_session_file(scenario.session), terms)
        self.target = target
        self.peak = target.peak

    async def run(self) -> Report:
        """Log in, open, ask everybody for their orders."""
        async with self._generators() as generators:
            await generators.wait_for("prepared")
            await generators.do("connect")
            self.terms.say(f"{len(self.people)} candidates log in")
            await generators.do("log_in")
            async with _open(self.target) as channel:
                async with beside(self.watched.seats.watch(channel)):
                    await self.open(generators, Processors(dict, generators.process_ids))
                self.terms.say("asking everybody for their orders")
                checks = _compared(await generators.do("verify"))
                await generators.do("finish")
                run = self.done()
                checks += [_unresolved(run.acks), await self._oversold(channel)]
        return write_up(run, _found(self.target, checks))

    @asynccontextmanager
    async def _generators(self) -> AsyncIterator[Generators]:
        parts = generators_here()
        setups = [self._setup(part, parts) for part in range(parts)]
        async with run_generators(setups, self.on_tick) as generators, beside(generators.listen()):
            yield generators

    def _setup(self, part: int, parts: int) -> Setup:
        target = self.target
        return Setup(
            scenario=self.scenario,
            session=self.session,
            seed=self.terms.seed,
            part=part,
            parts=parts,
            calibration_code=self.session.code,
            calibrated_with=0,
            enrollment=target.enrollment,
            registration=target.registration,
            platform="",
            portal_files=target.files,
            operator_files=target.files,
            tokens=None,
            accounts=target.accounts[: len(self.people)],
            acks_file=self.terms.folder / f"acks-{part}.jsonl",
        )

    async def _oversold(self, channel: grpc.aio.Channel) -> Check:
        stub: enrollment_grpc.EnrollmentServiceAsyncStub
        stub = enrollment_grpc.EnrollmentServiceStub(channel)
        request = enrollment.GetAvailabilityRequest(session_code=self.session.code)
        seats = (await patiently(lambda: stub.GetAvailability(request))).seats
        over = [
            f"{each.county_code} {each.slot}"
            for each in seats
            if each.held + each.confirmed > each.capacity
        ]
        return checking.check("oversold", "没有超卖的考位", len(seats), over)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _compared(answers: Sequence[Answer]) -> list[Check]:
    return [
        checking.check(
            name, title, 0, [found for answer in answers for found in answer["verified"][name]]
        )
        for name, title in _TITLES.items()
    ]


def _unresolved(acks: Iterable[checking.Ack]) -> Check:
    doubtful = [ack["candidate_id"] for ack in acks if ack["doubtful"]]
    return checking.check("doubtful_unresolved", "未答复的请求均已查明", 0, doubtful)


def _found(target: Target, checks: Sequence[Check]) -> Found:
    nobody_pays = checking.check("double_charges", "演练中无人缴费", 0, ())
    return Found(
        target=target.enrollment,
        checks=[*checks, nobody_pays],
        payments=Payments(
            made=0,
            booked_within_1s=0,
            booked=0,
            late=0,
            twice=0,
            wrong_amount=0,
            never=0,
            refunded=0,
            series=[],
        ),
        notified=(),
        violations={},
        postgres="",
        notes_zh=(
            "对已有系统的演练：考生为该系统的测试账号，无人缴费，未查看其数据库。",
            f"该系统每秒办理能力按运维给出的{target.peak:.0f}计算，未实测。",
        ),
    )


async def run_target(target: Target, scenario: Scenario, terms: Terms) -> Report:
    """Rehearse there, by its waiting room where it has one. Raises CallFailed, GeneratorDied."""
    session = load_session_file(scenario.session)
    async with _open(target) as channel:
        stub: enrollment_grpc.EnrollmentServiceAsyncStub
        stub = enrollment_grpc.EnrollmentServiceStub(channel)
        request = enrollment.GetTimetableRequest(session_code=session.code)
        timetable = await patiently(lambda: stub.GetTimetable(request))
    rooms = {window.track for window in timetable.windows if window.HasField("waiting_room")}
    is_behind_one = types.Track.Value(f"TRACK_{scenario.track.upper()}") in rooms
    scenario = replace(scenario, waiting_room=is_behind_one, waiting_share=0.0)
    return await TargetRehearsal(target, scenario, terms).run()


def _open(target: Target) -> grpc.aio.Channel:
    return open_channel(
        target.enrollment,
        target.files,
        server_name="enrollment",
        max_message_bytes=MAX_MESSAGE_BYTES,
    )
