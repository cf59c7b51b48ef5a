"""What must hold of seats and money at every moment (DOMAIN section 4).

The rules themselves are the queries of `audit.sql` with these names.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

# What orders with an ended hold have until their seats are free again: the platform may be away.
HOLD_GRACE = timedelta(minutes=10)

HOLDS_IN_TIME = "enrollment_no_hold_outlives_its_deadline"
REFUNDS_IN_TIME = "money_no_refund_outlives_its_deadline"
MISSING_IN_TIME = "money_no_missing_payment_outlives_its_deadline"

INVARIANTS: Mapping[str, str] = {
    "enrollment_no_seat_is_sold_twice": "占用考位不超过容量",
    "enrollment_no_seat_is_lost": "考位台账与实际占用一致",
    "enrollment_orders_have_their_seats": "订单与考位逐一对应",
    "enrollment_nobody_is_in_two_places": "一人一县、一场一科",
    "enrollment_counties_are_of_those_who_sit_there": "报考县登记与考位一致",
    "enrollment_orders_cost_what_their_courses_do": "订单金额等于科目费用",
    "enrollment_every_state_has_its_history": "订单状态与流转记录一致",
    HOLDS_IN_TIME: "到期占位按时释放",
    "waiting_every_candidate_has_one_place": "候场室一人一位",
    "waiting_numbers_are_dense": "候场号连续无重复",
    "waiting_nobody_is_admitted_twice": "候场放行不重不漏",
    "enrollment_the_feed_says_what_is_confirmed": "报考信息推送与确认结果一致",
    "money_every_payment_is_an_enrollment_or_a_refund": "每笔缴款对应报考或退款",
    "money_every_enrollment_is_paid": "每项报考恰有一笔缴款",
    "money_is_asked_and_taken_for_the_order": "缴款单与订单及金额一致",
    "money_adds_up_to_the_fen": "收入、报考费与退款分文不差",
    "money_every_refund_has_its_history": "退款状态与流转记录一致",
    REFUNDS_IN_TIME: "退款按时完成",
    "money_statements_add_up": "对账单明细与总额一致",
    MISSING_IN_TIME: "平台有而本系统无的缴款按时处理",
}


def cutoffs(now: datetime, refund_deadline: timedelta) -> Mapping[str, datetime]:
    """Until when what is checked for its deadline must have been due to be overdue by `now`."""
    owed = now - refund_deadline
    return {HOLDS_IN_TIME: now - HOLD_GRACE, REFUNDS_IN_TIME: owed, MISSING_IN_TIME: owed}
