"""An opening is rehearsed on an installation of its own, with all that goes wrong with money."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from support.name_gateway import name_gateway
from zikao_ctl.installation import Installation, run_installation
from zikao_ctl.layout import Layout
from zikao_ctl.rush.command import write_report
from zikao_ctl.rush.elsewhere import Target, read_accounts, run_target
from zikao_ctl.rush.opening import Terms
from zikao_ctl.rush.people import make_candidates
from zikao_ctl.rush.preparing import rehearsed_session
from zikao_ctl.rush.records import Report
from zikao_ctl.rush.report.page import read_report
from zikao_ctl.rush.running import run_rush
from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.rush.seeding import PASSWORD
from zikao_ctl.session_file import load_session_file
from zikao_kit.tls import DevelopmentCa

SMALL = replace(
    Scenario.load(Path("examples/rush/small.yaml")),
    candidates=400,
    calibration_seconds=2.0,
    early_seconds=1.0,
    longest_opening_seconds=5.0,
    calm_seconds=2.0,
    logins=20,
    waiting_room=True,
    tabs_share=1.0,
)
SEED = 7
OUTSIDE = {name: f"{name}.zikao.example.gov.cn" for name in ("enrollment", "registration")}
THERE = 12
SAFETY = {
    *("oversold", "lost_acknowledgements", "unacknowledged_orders", "doubtful_unresolved"),
    *("two_counties", "double_charges"),
}


async def test_an_opening_is_rehearsed_and_nothing_is_lost(tmp_path: Path) -> None:
    """Whoever came has a final answer, which is what is stored; money is right to the fen.

    So it is when the same installation is put under load as a deployment, by people who log in,
    through a gateway that sees only the names that are asked for.
    How fast it was is no matter here: the machine is busy with other tests.
    """
    layout = Layout(tmp_path / "installation")
    async with run_installation(layout, port_base=None, say=_silent) as installation:
        for name, host in OUTSIDE.items():  # replaced while it runs
            installation.certificate(name).cert_file.unlink()
            DevelopmentCa(layout.certs).issue(name, host)
        report = await run_rush(installation, SMALL, seed=SEED, folder=tmp_path, say=_silent)
        elsewhere = await _rehearse_as_a_deployment(installation, tmp_path)
    _assert_right(report, {"numbers_not_as_drawn"})
    _assert_all_seats_were_looked_at(report)
    _assert_everybody_is_answered(report)
    _assert_money_came_in_every_way(report)
    _assert_one_place_each(report)
    assert [phase["name"] for phase in report["phases"]] == [
        *("calibration", "early", "opening", "calm")
    ]
    sides = {"server", "postgres", "generator"}
    assert all(phase["cpu"].keys() == sides for phase in report["phases"])
    assert all(phase["cpu"]["server"] > 0 for phase in report["phases"] if phase["name"] != "early")
    write_report(report, tmp_path)
    assert read_report(tmp_path)["plan_sha256"] == report["plan_sha256"]
    _assert_right(elsewhere)
    assert elsewhere["candidates"] == THERE
    assert sum(tick["accepted"] for tick in elsewhere["ticks"]) == THERE
    assert elsewhere["metrics"]["unseen_share"] == 0
    assert "演练结束后所占考位已全部退回。" in elsewhere["notes_zh"]


async def _rehearse_as_a_deployment(installation: Installation, folder: Path) -> Report:
    """Those come again who did not pay: their seats have gone back."""
    session = rehearsed_session(SMALL, load_session_file(SMALL.session))
    people = [each for each in make_candidates(SMALL, session, SEED) if not each.pays][:THERE]
    rows = [f"{each.document_number},{PASSWORD}\n" for each in people]
    file = folder / "people.csv"
    file.write_text("login_name,password\n" + "".join(rows))
    there = folder / "there"
    there.mkdir()
    scenario = replace(SMALL, browse_share=0.0)
    backends = {host: installation.ports[name] for name, host in OUTSIDE.items()}
    async with name_gateway(backends) as gateway:
        target = Target(
            enrollment=f"{OUTSIDE['enrollment']}@127.0.0.1:{gateway.port}",
            registration=f"{OUTSIDE['registration']}@127.0.0.1:{gateway.port}",
            files=installation.certificate("portal"),
            accounts=read_accounts(file),
            peak=20.0,
        )
        terms = Terms(SEED + 1, there, _silent, lambda _: None)
        report = await run_target(target, scenario, terms)
    assert set(gateway.asked) == set(OUTSIDE.values())
    return report


def _silent(_: str) -> None:
    pass


def _assert_right(report: Report, others: Collection[str] = ()) -> None:
    assert report["violations"] == 0, [report["checks"], report["invariants"]]
    assert {each["name"] for each in report["checks"]} == SAFETY.union(others)
    assert report["metrics"]["accepted_share"] == 1.0


def _assert_all_seats_were_looked_at(report: Report) -> None:
    """Also those that went back afterwards, which are most."""
    seated = next(each for each in report["checks"] if each["name"] == "two_counties")
    assert seated["looked_at"] == sum(
        tick["accepted"] for tick in report["ticks"] if tick["at"] > 0
    )


def _assert_everybody_is_answered(report: Report) -> None:
    opened = [tick for tick in report["ticks"] if tick["at"] > 0]
    answered = sum(tick["accepted"] + tick["refused"] for tick in opened)
    assert 0 < answered == report["candidates"]
    journeys = next(each for each in report["latencies"] if each["kind"] == "journey")
    assert journeys["count"] == answered
    opening = [tick for tick in report["ticks"] if tick["phase"] == "opening"]
    assert sum(tick["browsed"] for tick in opening) > 0


def _assert_one_place_each(report: Report) -> None:
    room = report["room"]
    assert room is not None
    assert room["places"] == report["candidates"]
    assert room["joins"] == SMALL.tabs * report["candidates"], "each tab came in"
    assert 0 < room["drawn"] < room["places"]
    assert sum(map(sum, room["table"])) == room["told"] == room["drawn"]
    told = next(each for each in report["checks"] if each["name"] == "numbers_not_as_drawn")
    assert told["looked_at"] == room["places"], "those who came late were told a number, too"
    assert report["metrics"]["room_chi_square_p"] == room["chi_square_p"]


def _assert_money_came_in_every_way(report: Report) -> None:
    payments = report["payments"]
    assert payments["made"] == payments["booked"] > 0
    assert min(payments["twice"], payments["never"], payments["late"]) > 0
    assert payments["refunded"] == payments["twice"] + payments["wrong_amount"]
