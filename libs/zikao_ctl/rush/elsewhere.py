"""A rehearsal against a deployment that runs already, with test candidates of it.

It sees no database and moves no clock. What the deployment bears is given, not searched for:
a search would take seats. Nobody pays: the money would be real.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import enrollment_service_pb2_grpc as enrollment_grpc
from zikao.enrollment.v1 import types_pb2 as types
from zikao_client import CallFailed, patiently
from zikao_client.client import MAX_MESSAGE_BYTES
from zikao_kit.channel import open_channel
from zikao_kit.config import CertFiles
from zikao_kit.server_names import server_at

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
from zikao_ctl.rush.verifying import CALL_SECONDS, KEPT, UNSEEN
from zikao_ctl.rush.watching import Processors
from zikao_ctl.session_file import load_session_file

_COLUMNS = {"login_name": "登录名", "password": "密码", "access_token": "令牌"}
_TITLES = {
    "lost_acknowledgements": "已答复的报考均查得到",
    "unacknowledged_orders": "未获考位者没有订单",
    "two_counties": "没有人占用两个区县的考位",
}


@dataclass(frozen=True)
class Target:
    """A deployment: where its services listen, who calls, and what it is said to bear a second.

    Addresses are `host:port`, perhaps with `NAME@` before it (zikao_kit.server_names).
    """

    enrollment: str
    registration: str
    files: CertFiles
    accounts: Sequence[Account]
    peak: float


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


NO_PAYMENTS = Payments(
    made=0,
    booked_within_1s=0,
    booked=0,
    late=0,
    twice=0,
    wrong_amount=0,
    never=0,
    refunded=0,
    series=[],
)


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
        """Log in, see what there is, open, ask everybody for their orders, give seats back."""
        async with self._generators() as generators:
            await generators.wait_for("prepared")
            await generators.do("connect")
            self.terms.say(f"{len(self.people)} candidates log in")
            await generators.do("log_in")
            await generators.do("look")
            async with _open(self.target) as channel:
                async with beside(self.watched.seats.watch(channel)):
                    await self.open(generators, Processors(dict, generators.process_ids))
                self.terms.say("asking everybody for their orders")
                answers = await generators.do("verify")
                over = await self._oversold(channel)
            await generators.do("finish")
            self.terms.say("giving the seats back")
            kept = _all(await generators.do("give_back"), KEPT)
        run = self.done()
        checks = [*_compared(answers, len(run.acks)), _unresolved(run.acks), *over]
        return write_up(run, self._found(checks, len(_all(answers, UNSEEN)), len(kept)))

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

    async def _oversold(self, channel: grpc.aio.Channel) -> list[Check]:
        """By what the service says of its seats; nothing where it does not say."""
        stub: enrollment_grpc.EnrollmentServiceAsyncStub
        stub = enrollment_grpc.EnrollmentServiceStub(channel)
        request = enrollment.GetAvailabilityRequest(session_code=self.session.code)
        try:
            answer = await patiently(lambda: stub.GetAvailability(request, timeout=CALL_SECONDS))
        except CallFailed as error:
            self.terms.say(f"the seats cannot be seen: {error}")
            return []
        over = [
            f"{each.county_code} {each.slot}"
            for each in answer.seats
            if each.held + each.confirmed > each.capacity
        ]
        return [checking.check("oversold", "没有超卖的考位", len(answer.seats), over)]

    def _found(self, checks: Sequence[Check], unseen: int, kept: int) -> Found:
        target = self.target
        nobody_pays = checking.check("double_charges", "演练中无人缴费", 0, ())
        seats = f"{kept}件报考未能撤销，考位到期自动释放" if kept else "所占考位已全部退回"
        return Found(
            target=target.enrollment,
            checks=[*checks, nobody_pays],
            payments=NO_PAYMENTS,
            notified=(),
            violations={},
            postgres="",
            notes_zh=(
                "对已有系统的演练：考生为该系统的测试账号，无人缴费，未查看其数据库。",
                f"该系统每秒办理能力按运维给出的{target.peak:.0f}计算，未实测。",
                f"演练结束后{seats}。",
            ),
            unseen_share=unseen / max(1, self.coming),
        )


def _all(answers: Iterable[Answer], name: str) -> list[str]:
    return [found for answer in answers for found in answer[name]]


def _compared(answers: Sequence[Answer], came: int) -> list[Check]:
    seen = came - len(_all(answers, UNSEEN))
    return [
        checking.check(name, title, seen, _all(answers, name)) for name, title in _TITLES.items()
    ]


def _unresolved(acks: Iterable[checking.Ack]) -> Check:
    doubtful = [ack["candidate_id"] for ack in acks if ack["doubtful"]]
    return checking.check("doubtful_unresolved", "未答复的请求均已查明", 0, doubtful)


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
    server = server_at(target.enrollment, "enrollment")
    return open_channel(
        server.target,
        target.files,
        server_name=server.name,
        max_message_bytes=MAX_MESSAGE_BYTES,
    )
