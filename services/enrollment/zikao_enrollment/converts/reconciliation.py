"""Differences and totals: as messages, and as rows for offices' spreadsheets."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from zikao.enrollment.v1 import reconciliation_service_pb2 as pb
from zikao_kit.convert import enum_from_pb, enum_to_pb, optional, time_to_pb
from zikao_kit.spreadsheet import Cell, yuan

from zikao_enrollment.domain.differences import (
    KIND_NAMES_ZH,
    MONEY_NAMES_ZH,
    OUTCOME_NAMES_ZH,
    RESOLUTION_NAMES_ZH,
    STATE_NAMES_ZH,
    ComparedMoney,
    CountyTotals,
    Difference,
    DifferenceFilter,
    DifferenceKind,
    DifferenceState,
    Resolution,
)
from zikao_enrollment.domain.statements import Money, read_date

DIFFERENCE_COLUMNS_ZH = (
    *("对账日期", "区县代码", "考次", "类别", "缴款流水号", "退款流水号", "订单号", "差异"),
    *("本系统金额（元）", "平台金额（元）", "发生时间", "发现时间", "状态", "处理结果", "款项去向"),
    *("说明", "处理人", "处理时间", "复核人", "复核时间"),
)
COMPARISON_COLUMNS_ZH = (
    *("区县代码", "类别", "缴款流水号", "退款流水号", "订单号", "缴款码", "发生时间"),
    *("平台金额（元）", "本系统金额（元）", "对账结果"),
)
_MONEY = "MONEY_KIND_"
_KIND = "DIFFERENCE_KIND_"
_STATE = "DIFFERENCE_STATE_"
_RESOLUTION = "RESOLUTION_"
_OUTCOME = "PAYMENT_OUTCOME_"


def filter_from_pb(message: pb.DifferenceFilter) -> DifferenceFilter:
    """Which differences; raises DomainError INVALID_REQUEST for a date that is none."""
    state = enum_from_pb(pb.DifferenceState, _STATE, message.state) if message.state else None
    kind = enum_from_pb(pb.DifferenceKind, _KIND, message.kind) if message.kind else None
    return DifferenceFilter(
        read_date(message.from_date, "filter.from_date") if message.from_date else None,
        read_date(message.to_date, "filter.to_date") if message.to_date else None,
        optional(state, DifferenceState),
        optional(kind, DifferenceKind),
    )


def resolution_from_pb(number: int) -> Resolution:
    """How an officer has cleared it up."""
    return Resolution(enum_from_pb(pb.Resolution, _RESOLUTION, number))


def difference_to_pb(difference: Difference) -> pb.Difference:
    """A difference."""
    return pb.Difference(
        difference_id=str(difference.difference_id),
        statement_date=difference.statement_date.isoformat(),
        county_code=difference.county_code,
        session_code=difference.session_code,
        money=enum_to_pb(pb.MoneyKind, _MONEY, difference.money),
        payment_id=difference.payment_id,
        refund_id=_refund_id(difference),
        order_id=str(difference.order_id),
        kind=enum_to_pb(pb.DifferenceKind, _KIND, difference.kind),
        here_fen=difference.here_fen,
        there_fen=difference.there_fen,
        moved_at=time_to_pb(difference.moved_at),
        found_at=time_to_pb(difference.found_at),
        state=enum_to_pb(pb.DifferenceState, _STATE, difference.state),
        resolution=enum_to_pb(pb.Resolution, _RESOLUTION, difference.resolution),
        reason=difference.reason,
        decided_by=difference.decided_by or "",
        decided_at=optional(difference.decided_at, time_to_pb),
        confirmed_by=difference.confirmed_by or "",
        confirmed_at=optional(difference.confirmed_at, time_to_pb),
        outcome=enum_to_pb(pb.PaymentOutcome, _OUTCOME, difference.outcome),
    )


def totals_to_pb(totals: CountyTotals) -> pb.CountyTotals:
    """The money of a day in one county."""
    return pb.CountyTotals(**totals._asdict())


def difference_row(difference: Difference, zone: ZoneInfo) -> Sequence[Cell]:
    """A line under DIFFERENCE_COLUMNS_ZH, its times in `zone`."""
    resolution, outcome = difference.resolution, difference.outcome
    return (
        difference.statement_date.isoformat(),
        difference.county_code,
        difference.session_code,
        MONEY_NAMES_ZH[difference.money],
        difference.payment_id,
        _refund_id(difference),
        str(difference.order_id),
        KIND_NAMES_ZH[difference.kind],
        yuan(difference.here_fen),
        yuan(difference.there_fen),
        _time(difference.moved_at, zone),
        _time(difference.found_at, zone),
        STATE_NAMES_ZH[difference.state],
        RESOLUTION_NAMES_ZH[resolution] if resolution else "",
        OUTCOME_NAMES_ZH[outcome] if outcome else "",
        difference.reason,
        difference.decided_by,
        _time(difference.decided_at, zone),
        difference.confirmed_by,
        _time(difference.confirmed_at, zone),
    )


def comparison_row(compared: ComparedMoney, zone: ZoneInfo) -> Sequence[Cell]:
    """A line under COMPARISON_COLUMNS_ZH, its time in `zone`."""
    return (
        compared.county_code,
        MONEY_NAMES_ZH[compared.money],
        compared.payment_id,
        _refund_id(compared),
        str(compared.order_id),
        compared.payment_code,
        _time(compared.moved_at, zone),
        yuan(compared.there_fen),
        yuan(compared.here_fen),
        compared.verdict_zh,
    )


def _refund_id(moved: Difference | ComparedMoney) -> str:
    return moved.subject_id if moved.money is Money.REFUND else ""


def _time(at: datetime | None, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if at else ""
