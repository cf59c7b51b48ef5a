"""What an office reads of money that is compared."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from zikao_enrollment.domain.differences import OUTCOME_NAMES_ZH, ComparedMoney
from zikao_enrollment.domain.money import REFUND_OUTCOMES, PaymentOutcome
from zikao_enrollment.domain.refunds import RefundState
from zikao_enrollment.domain.statements import Money

OURS, ANOTHER = UUID(int=1), UUID(int=2)
AT = datetime(2022, 2, 28, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("there_fen", "here_fen", "here_order_id", "verdict_zh"),
    [
        (3500, 3500, OURS, "一致"),
        (3500, 3500, ANOTHER, "订单不符"),
        (3500, 3501, OURS, "金额不符"),
        (3500, 3501, ANOTHER, "金额不符"),
        (3500, None, None, "本系统无此款项"),
        (None, 3500, OURS, "平台无此款项"),
    ],
)
def test_the_verdict_of_a_line(
    there_fen: int | None, here_fen: int | None, here_order_id: UUID | None, verdict_zh: str
) -> None:
    """The file of a day says what the comparison found, also of money for another order."""
    line = ComparedMoney(
        money=Money.PAYMENT,
        subject_id="P",
        payment_id="P",
        order_id=OURS,
        payment_code="",
        here_order_id=here_order_id,
        moved_at=AT,
        there_fen=there_fen,
        here_fen=here_fen,
        county_code="510104",
    )
    assert line.verdict_zh == verdict_zh


def test_every_outcome_of_a_payment_has_a_name_for_people() -> None:
    """Also that of a refund that the platform refuses: files of differences show it."""
    assert OUTCOME_NAMES_ZH.keys() == set(PaymentOutcome)
    assert {*REFUND_OUTCOMES.values(), PaymentOutcome.APPLIED} == set(PaymentOutcome)
    assert REFUND_OUTCOMES.keys() == set(RefundState)
