"""A report of a rehearsal that never was, with something of everything: for pages and verdicts.

python -m support.rush_report > report.json
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from random import Random

from zikao_ctl.rush import records
from zikao_ctl.rush.histograms import Histograms, merged
from zikao_ctl.rush.records import Report, Tick

PEAK = 3_800.0
EARLY, OPENING, CALM = -15, 40, 70
TICK_SECONDS = 0.5
COUNTIES = ("锦江区", "武侯区", "成华区", "双流区", "青羊区", "涪城区", "游仙区", "绵竹市")


def sample_report(seed: int = 1) -> Report:
    """The same for the same seed; PASS, without objectives. The caller may change it."""
    return deepcopy(_made(seed))


@cache
def _made(seed: int) -> Report:
    chance = Random(seed)
    ticks = list(_ticks(chance))
    whole = merged(tick["hist"] for tick in ticks)
    return Report(
        version=records.REPORT_VERSION,
        verdict="PASS",
        violations=0,
        inconclusive_because=[],
        began_at="2026-11-26T01:00:00+00:00",
        took_seconds=168.4,
        target="embedded",
        scenario="opening",
        seed=seed,
        plan_sha256="5f" * 32,
        candidates=100_000,
        counties_count=183,
        seats=640_000,
        opening_seconds=float(OPENING),
        peak=PEAK,
        load_factor=3.0,
        machine={
            "cores": 2,
            "python": "3.11.2",
            "postgres": "18.6",
            "zikao": "0.1.0",
            "generators": 1,
        },
        phases=_phases(),
        ticks=ticks,
        latencies=whole.latencies(),
        counties=_counties(ticks),
        room=_room(chance),
        payments=_payments(ticks),
        faults=_faults(),
        invariants=[
            {"name": "enrollment_seats_add_up", "title_zh": "考位账目一致", "violations": 0},
            {
                "name": "feeds_tickets_knows_every_candidate",
                "title_zh": "准考证服务掌握全部考生",
                "violations": 0,
            },
        ],
        checks=_checks(),
        metrics=_metrics(),
        objectives=[],
        notes_zh=["考生由种子生成，口令登录300人，其余考生的令牌用安装自身的签名密钥签发。"],
    )


def _ticks(chance: Random) -> Iterator[Tick]:
    waiting = 0.0
    for number in range(int((CALM - EARLY) / TICK_SECONDS)):
        at = EARLY + (number + 1) * TICK_SECONDS
        wanted = _wanted(at) * TICK_SECONDS
        offered = wanted + waiting * 0.3
        accepted = min(offered, PEAK * TICK_SECONDS * chance.uniform(0.94, 1.0))
        shed = min(offered - accepted, accepted * 0.05)
        waiting = max(0.0, waiting + wanted - accepted)
        yield Tick(
            at=at,
            phase="early" if at <= 0 else "opening" if at <= OPENING else "calm",
            offered=round(offered),
            held_back=round(offered - accepted - shed),
            sent=round(accepted + shed),
            accepted=round(accepted),
            shed=round(shed),
            refused=round(accepted * 0.01),
            doubtful=0,
            dropped=0,
            waiting=round(waiting),
            in_flight=round(accepted * 0.02),
            lag_ms=chance.uniform(0.5, 4.0),
            came=0,
            browsed=0 if at > 0 else 600,
            paid=25 if at > 2 else 0,
            hist=_hist(chance, at, waiting),
        )


def _wanted(at: float) -> float:
    return 3 * PEAK * math.exp(-at / 6) if 0 < at <= OPENING else 0.0


def _hist(chance: Random, at: float, waiting: float) -> dict[str, str]:
    histograms = Histograms()
    middle = 0.012 if waiting < 1 else 0.035
    for _ in range(200):
        histograms.record(records.BROWSE, chance.lognormvariate(math.log(0.006), 0.4))
        if at > 0:
            histograms.record(records.SUBMIT, chance.lognormvariate(math.log(middle), 0.5))
            histograms.record(records.JOURNEY, middle + waiting / PEAK * chance.uniform(0.5, 1.5))
        if at > 2:
            histograms.record(records.NOTIFY, chance.lognormvariate(math.log(0.03), 0.5))
    return histograms.take()


def _counts(offered: int, accepted: int) -> records.Counts:
    shed = accepted // 20
    return {
        "offered": offered,
        "held_back": max(0, offered - accepted - shed),
        "sent": accepted + shed,
        "accepted": accepted,
        "shed": shed,
        "refused": accepted // 100,
        "doubtful": 0,
        "dropped": 0,
    }


def _phases() -> list[records.Phase]:
    def phase(
        name: str, begins: float, ends: float, counts: records.Counts, p99_ms: float
    ) -> records.Phase:
        return {
            "name": name,
            "begins": begins,
            "ends": ends,
            "goodput": counts["accepted"] / (ends - begins),
            "submit_p50_ms": p99_ms / 3,
            "submit_p99_ms": p99_ms,
            "cpu": {"server": 0.97, "postgres": 0.42, "generator": 0.38},
            "lag_p99_ms": 3.1,
            "generator_bound": False,
            **counts,
        }

    return [
        phase("calibration", EARLY - 12, EARLY, _counts(40_000, 38_000), 48.0),
        phase("early", EARLY, 0, _counts(0, 0), 0.0),
        phase("opening", 0, OPENING, _counts(181_000, 97_000), 61.0),
        phase("calm", OPENING, CALM, _counts(2_000, 2_000), 14.0),
    ]


def _counties(ticks: list[Tick]) -> list[records.CountySeats]:
    found: list[records.CountySeats] = []
    for rank, name in enumerate(COUNTIES):
        capacity, taken = 8_000 - 700 * rank, 0.0
        free = []
        for tick in ticks:
            taken = min(capacity, taken + tick["accepted"] * 0.12 / (rank + 1))
            free.append((tick["at"], round(capacity - taken)))
        found.append(
            {"county_code": f"5101{rank:02}", "name": name, "capacity": capacity, "free": free}
        )
    return found


def _room(chance: Random) -> records.Room:
    table = [[round(chance.gauss(250, 15)) for _ in range(20)] for _ in range(20)]
    ticks: list[records.RoomTick] = [
        {
            "at": at / 2,
            "waiting": max(0, 60_000 - at * 1_800),
            "admitted_until": min(60_000, at * 1_800),
            "rate": 3_600.0,
        }
        for at in range(80)
    ]
    return {
        "places": 60_000,
        "joins": 180_000,
        "drawn": 60_000,
        "told": 60_000,
        "chi_square": 352.1,
        "chi_square_p": 0.63,
        "table": table,
        "ticks": ticks,
    }


def _payments(ticks: list[Tick]) -> records.Payments:
    made = sum(tick["paid"] for tick in ticks)
    return {
        "made": made,
        "booked_within_1s": made,
        "booked": made,
        "late": 90,
        "twice": 60,
        "wrong_amount": 6,
        "never": 300,
        "refunded": 120,
        "series": [(tick["at"], tick["paid"], tick["paid"]) for tick in ticks],
    }


def _faults() -> list[records.FaultRecord]:
    return [
        {
            "at": 6.0,
            "kind": "kill",
            "victim": "enrollment",
            "seconds": 0.0,
            "recovered_after": 1.9,
            "note": "",
        },
        {
            "at": 21.0,
            "kind": "freeze",
            "victim": "postgres",
            "seconds": 1.0,
            "recovered_after": 1.2,
            "note": "一个后端进程",
        },
    ]


def _checks() -> list[records.Check]:
    titles = {
        "oversold": "没有超卖的考位",
        "lost_acknowledgements": "已答复的报考都在库中",
        "unacknowledged_orders": "被拒绝者没有订单",
        "double_charges": "没有重复收费",
        "two_counties": "没有人占两个考区",
    }
    return [
        {"name": name, "title_zh": title, "looked_at": 97_000, "violations": 0, "examples": []}
        for name, title in titles.items()
    ]


def _metrics() -> dict[str, float]:
    # Without faults and with a room: all but what only other rehearsals measure.
    good = dict.fromkeys(records.METRICS, 0.0)
    return good | {
        "load_factor": 3.0,
        "peak": PEAK,
        "goodput_overloaded_ratio": 0.96,
        "goodput_first_10s_ratio": 0.93,
        "accepted_share": 1.0,
        "seats_given": 97_000.0,
        "submit_p99_overloaded_ms": 61.0,
        "submit_p99_calm_ms": 38.0,
        "submit_p99_ratio": 1.6,
        "journey_p99_seconds": 16.0,
        "payments_within_1s_share": 1.0,
        "recovery_seconds": 1.0,
        "lag_p99_ms": 3.1,
        "room_places_per_candidate": 1.0,
        "room_chi_square_p": 0.63,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(sample_report(), ensure_ascii=False, indent=1))
