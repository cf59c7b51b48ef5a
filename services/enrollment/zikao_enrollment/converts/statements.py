"""Statements and their lines, from the platform and from files."""

from uuid import UUID

from zikao.enrollment.v1 import statement_service_pb2 as pb
from zikao.payment.v1 import payment_platform_service_pb2 as platform_pb2
from zikao_kit.convert import enum_to_pb, optional, time_from_pb, time_to_pb

from zikao_enrollment.domain.statements import (
    LineProblem,
    Money,
    StatementLine,
    StatementSummary,
    Totals,
)

_SOURCE = "STATEMENT_SOURCE_"
_STATE = "STATEMENT_STATE_"


def line_from_pb(message: platform_pb2.StatementLine) -> StatementLine:
    """A line; raises ValueError for a time beyond any calendar and for text that no id has."""
    if message.HasField("payment"):
        return _line(message, Money.PAYMENT, message.payment.payment_id, message.payment)
    return _line(message, Money.REFUND, message.refund.refund_id, message.refund)


def totals_from_pb(message: platform_pb2.StatementTotals) -> Totals:
    """What lines add up to."""
    return Totals(message.payments, message.payments_fen, message.refunds, message.refunds_fen)


def totals_to_pb(totals: Totals) -> platform_pb2.StatementTotals:
    """The same as message."""
    return platform_pb2.StatementTotals(**totals._asdict())


def statement_to_pb(summary: StatementSummary) -> pb.Statement:
    """A statement with the differences of its day."""
    statement = summary.statement
    return pb.Statement(
        statement_date=statement.statement_date.isoformat(),
        import_id=str(statement.import_id),
        source=enum_to_pb(pb.StatementSource, _SOURCE, statement.source),
        source_name=statement.source_name,
        state=enum_to_pb(pb.StatementState, _STATE, statement.state),
        problem=statement.problem,
        last_line=statement.last_line,
        totals=totals_to_pb(statement.totals),
        matched=totals_to_pb(statement.matched),
        differences=summary.differences,
        open_differences=summary.open_differences,
        started_at=time_to_pb(statement.started_at),
        compared_at=optional(statement.compared_at, time_to_pb),
    )


def problem_to_pb(problem: LineProblem) -> pb.StatementProblem:
    """What is wrong with a line."""
    return pb.StatementProblem(line=problem.line, problem=problem.problem)


def _line(
    message: platform_pb2.StatementLine,
    money: Money,
    subject_id: str,
    moved: platform_pb2.Payment | platform_pb2.RefundMade,
) -> StatementLine:
    if "\0" in subject_id + moved.payment_id:
        raise ValueError("an id with a NUL")
    at = moved.paid_at if isinstance(moved, platform_pb2.Payment) else moved.refunded_at
    return StatementLine(
        message.line,
        money,
        subject_id,
        moved.payment_id,
        UUID(moved.order_id),
        moved.amount_fen,
        time_from_pb(at),
        message.payment_code,
    )
