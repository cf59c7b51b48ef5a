"""Statements and differences: planted at the platform and in the database, and asked for."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
from support.enrollment_people import JINJIANG, NOON
from support.enrollment_service import Installation
from support.refusals import note
from support.service import TIMEOUT_SECONDS, Caller, method_of, new_id, until
from zikao.enrollment.v1 import reconciliation_service_pb2 as pb
from zikao.enrollment.v1 import statement_service_pb2 as statements_pb
from zikao.payment.v1 import payment_platform_service_pb2 as platform_pb
from zikao.sandbox.v1 import sandbox_service_pb2 as sandbox
from zikao_kit.convert import time_to_pb
from zikao_kit.error_table import reason_of

DAY = "2022-02-28"
# In the night after the day of all these tests, when its statement is asked for.
AT_NIGHT = NOON + timedelta(hours=15)


async def plant_payment(
    running: Installation, payment_id: str, order_id: str, amount_fen: int
) -> None:
    """The platform takes money now and tells nobody."""
    payment = platform_pb.Payment(
        payment_id=payment_id,
        order_id=order_id,
        amount_fen=amount_fen,
        paid_at=time_to_pb(running.now()),
    )
    operator = await running.at_platform()
    await operator.call(sandbox.PlantPaymentRequest(request_id=new_id(), payment=payment))


async def falsify(running: Installation, subject_id: str, amount_fen: int) -> None:
    """The statement has another amount of a payment or refund, with 0 nothing of it."""
    operator = await running.at_platform()
    request = sandbox.FalsifyStatementRequest(
        request_id=new_id(), subject_id=subject_id, amount_fen=amount_fen
    )
    await operator.call(request)


async def plant_difference(running: Installation, county_code: str = JINJIANG) -> str:
    """A payment of a county that the platform does not know; returns the difference's id."""
    rows = await running.rows(
        "INSERT INTO enrollment.difference (statement_date, money, subject_id, payment_id,"
        " order_id, session_code, county_code, kind, here_fen, moved_at, found_at)"
        " VALUES ('2022-02-28', 'payment', $1, $1, gen_random_uuid(), $2, $3, 'missing_there',"
        " 3500, $4, $4)"
        " RETURNING difference_id",
        f"P{new_id()}",
        "22.1" if county_code else "",
        county_code,
        running.now(),
    )
    return str(rows[0]["difference_id"])


async def plant_missing_payment(running: Installation) -> str:
    """A payment of nobody's order in the platform's statement, which is not settled for an hour;
    returns its difference's id."""
    await running.rows(
        "INSERT INTO enrollment.statement (statement_date, import_id, source, source_name, state,"
        " started_by, started_at, stated_payments, stated_payments_fen, stated_refunds,"
        " stated_refunds_fen, last_line, payments, payments_fen, compared_at)"
        " VALUES ('2022-02-28', gen_random_uuid(), 'platform', '', 'compared', 'system', $1, 1,"
        " 3500, 0, 0, 1, 1, 3500, $1)",
        running.now(),
    )
    await running.rows(
        "INSERT INTO enrollment.statement_line SELECT statement_date, import_id, 1, 'payment',"
        " 'P-lost', 'P-lost', gen_random_uuid(), 3500, started_at, '' FROM enrollment.statement"
    )
    rows = await running.rows(
        "INSERT INTO enrollment.difference (statement_date, money, subject_id, payment_id,"
        " order_id, session_code, county_code, kind, there_fen, moved_at, found_at,"
        " next_attempt_at) SELECT statement_date, money, subject_id, payment_id, order_id, '', '',"
        " 'missing_here', amount_fen, moved_at, moved_at, now() + interval '1 hour'"
        " FROM enrollment.statement_line RETURNING difference_id"
    )
    return str(rows[0]["difference_id"])


async def statements(running: Installation) -> list[statements_pb.Statement]:
    """All statements, the latest day first."""
    operator = await running.operator()
    return list((await operator.call(statements_pb.ListStatementsRequest())).statements)


async def until_statement(
    running: Installation, state: str = "COMPARED", day: str = DAY
) -> statements_pb.Statement:
    """Wait until a day's statement stands so; return it."""
    wanted = statements_pb.StatementState.Value(f"STATEMENT_STATE_{state}")

    async def found() -> statements_pb.Statement | None:
        for statement in await statements(running):
            if (statement.statement_date, statement.state) == (day, wanted):
                return statement
        return None

    statement: statements_pb.Statement = await until(found)
    return statement


async def differences(office: Caller, prefix: str = "51", **filters: Any) -> list[pb.Difference]:
    """Differences of an area."""
    request = pb.ListDifferencesRequest(county_prefix=prefix, filter=pb.DifferenceFilter(**filters))
    return list((await office.call(request)).differences)


async def day_totals(
    office: Caller, prefix: str = "51", day: str = DAY
) -> dict[str, pb.CountyTotals]:
    """The money of a day by county."""
    request = pb.GetDayTotalsRequest(county_prefix=prefix, statement_date=day)
    return {each.county_code: each for each in (await office.call(request)).counties}


async def export(office: Caller, request: Any) -> str:
    """A file, as it arrives in pieces."""
    pieces = [piece.csv async for piece in office.start(request, TIMEOUT_SECONDS)]
    return b"".join(pieces).decode("utf-8-sig")


def resolution(
    difference_id: str, how: str = "EXPLAINED", reason: str = "已与平台核对"
) -> pb.ResolveDifferenceRequest:
    """An officer's word."""
    return pb.ResolveDifferenceRequest(
        request_id=new_id(),
        difference_id=difference_id,
        resolution=pb.Resolution.Value(f"RESOLUTION_{how}"),
        reason=reason,
    )


def confirmation(proposed: pb.Difference, confirmed: bool = True) -> pb.ConfirmResolutionRequest:
    """Another officer's word on what was proposed."""
    return pb.ConfirmResolutionRequest(
        request_id=new_id(),
        difference_id=proposed.difference_id,
        confirmed=confirmed,
        proposed_at=proposed.decided_at,
    )


def start_import(
    lines: list[platform_pb.StatementLine], **changes: Any
) -> statements_pb.StartStatementImportRequest:
    """The import of a file with these lines."""
    fields: dict[str, Any] = {
        "request_id": new_id(),
        "statement_date": DAY,
        "source_name": "20220228.csv",
        "totals": totals_of(lines),
    }
    return statements_pb.StartStatementImportRequest(**fields | changes)


def totals_of(lines: list[platform_pb.StatementLine]) -> platform_pb.StatementTotals:
    """What lines add up to."""
    payments = [line.payment.amount_fen for line in lines if line.HasField("payment")]
    refunds = [line.refund.amount_fen for line in lines if line.HasField("refund")]
    return platform_pb.StatementTotals(
        payments=len(payments),
        payments_fen=sum(payments),
        refunds=len(refunds),
        refunds_fen=sum(refunds),
    )


def payment_line(line: int, payment: platform_pb.Payment) -> platform_pb.StatementLine:
    """A payment in a statement."""
    return platform_pb.StatementLine(line=line, payment=payment)


async def send_lines(
    office: Caller,
    start: statements_pb.StartStatementImportRequest,
    *messages: list[platform_pb.StatementLine],
    dry_run: bool = False,
) -> list[statements_pb.ImportStatementResponse]:
    """Stream lines of an import; the answers."""

    async def requests() -> AsyncIterator[statements_pb.ImportStatementRequest]:
        for lines in messages:
            yield statements_pb.ImportStatementRequest(
                import_id=start.request_id,
                statement_date=start.statement_date,
                lines=lines,
                dry_run=dry_run,
            )

    call = office.channel.stream_stream(
        "/zikao.enrollment.v1.StatementService/ImportStatement",
        statements_pb.ImportStatementRequest.SerializeToString,
        statements_pb.ImportStatementResponse.FromString,
    )
    bearer = (("authorization", f"Bearer {office.token}"),) if office.token else ()
    answers: Any = call(requests(), timeout=TIMEOUT_SECONDS, metadata=bearer)
    try:
        return [answer async for answer in answers]
    except grpc.aio.AioRpcError as error:
        note(method_of(statements_pb.ImportStatementRequest.DESCRIPTOR), reason_of(error) or "")
        raise
