"""Choices, orders, payments, candidates, and what the feed says of them."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from uuid import UUID

from google.protobuf.message import Message
from zikao.enrollment.v1 import enrollment_feed_service_pb2, enrollment_service_pb2, types_pb2
from zikao.payment.v1 import payment_platform_service_pb2 as platform_pb2
from zikao.registration.v1 import candidate_feed_service_pb2 as candidates_pb2
from zikao.registration.v1 import types_pb2 as registration_types_pb2
from zikao_kit.convert import enum_from_pb, enum_to_pb, time_from_pb, time_to_pb
from zikao_kit.feed import FeedRow

from zikao_enrollment.domain.choices import CHOICES_KEPT, Choice, shared_choice
from zikao_enrollment.domain.money import Payment
from zikao_enrollment.domain.order_states import OrderState
from zikao_enrollment.domain.orders import Candidate, Order, OrderCourse, Share
from zikao_enrollment.domain.refunds import Refund
from zikao_enrollment.domain.timetable import Track

_TRACK = "TRACK_"
_STANDING = "STANDING_"
_ORDER_STATES = {
    state: enum_to_pb(types_pb2.OrderState, "ORDER_STATE_", state) for state in OrderState
}
# A rush chooses the same few. Longer ones than the rules allow bring what nobody knows.
MAX_CHOICE_BYTES = 200
# Found in no order.
_FIRST_ID, _SECOND_ID = UUID(int=(1 << 128) - 1), UUID(int=(1 << 128) - 2)
# The holds of a batch end together.
_deadline = lru_cache(maxsize=64)(time_to_pb)


def choice_from_pb(message: enrollment_service_pb2.EnrollmentChoice) -> Choice:
    """Courses and ranked counties: the same ones for all who choose the same."""
    encoded = message.SerializeToString()
    read = _choice_of if len(encoded) <= MAX_CHOICE_BYTES else _choice_of.__wrapped__
    return read(encoded)


@lru_cache(maxsize=CHOICES_KEPT)
def _choice_of(encoded: bytes) -> Choice:
    message = enrollment_service_pb2.EnrollmentChoice.FromString(encoded)
    return shared_choice(tuple(message.course_codes), tuple(message.county_codes))


def order_to_pb(order: Order, refunds: Sequence[Refund] = ()) -> types_pb2.Order:
    """An order with the money that goes back; a confirmed one has no deadline any more."""
    return types_pb2.Order(
        order_id=str(order.order_id),
        session_code=order.session_code,
        candidate_id=str(order.candidate_id),
        county_code=order.county_code,
        courses=_courses_to_pb(order.courses),
        state=_ORDER_STATES[order.state],
        fee_fen=order.fee_fen,
        held_until=_deadline(order.held_until) if order.is_holding else None,
        payment_code=order.payment_code or "",
        refunds=[refund_to_pb(refund) for refund in refunds],
    )


class OrderAnswers:
    """Responses with an order and no refunds, as they go over the wire.

    Orders on the same terms differ in their ids alone: what else they say is made once a batch.
    """

    def __init__(self) -> None:
        # By identity, as `domain.orders.shares`; the orders are kept, and so is what they are.
        self._templates: dict[tuple[int, str | None, object], tuple[Order, str]] = {}

    def of(self, order: Order, response_type: Callable[..., Message]) -> bytes:
        """The response to who has wished for the order."""
        template = self._template(order, response_type)
        return (template % (order.order_id, order.candidate_id)).encode("latin-1")

    def of_all(self, share: Share, response_type: Callable[..., Message]) -> list[bytes]:
        """The responses to all who share the terms, in their order."""
        template = self._template(Order(_FIRST_ID, _SECOND_ID, share.terms), response_type)
        ids = zip(share.order_ids, share.candidate_ids, strict=True)
        return [(template % each).encode("latin-1") for each in ids]

    def _template(self, order: Order, response_type: Callable[..., Message]) -> str:
        name = id(order.terms), order.payment_code, response_type
        found = self._templates.get(name)
        if found is None:
            found = self._templates[name] = order, _template(order, response_type)
        return found[1]


def _template(order: Order, response_type: Callable[..., Message]) -> str:
    """An answer as text of one character a byte, but for its ids: they are always as long."""
    nobodys = order._replace(order_id=_FIRST_ID, candidate_id=_SECOND_ID)
    text = response_type(order=order_to_pb(nobodys)).SerializeToString().decode("latin-1")
    return text.replace("%", "%%").replace(str(_FIRST_ID), "%s").replace(str(_SECOND_ID), "%s")


def refund_to_pb(refund: Refund) -> types_pb2.Refund:
    """Money on its way back."""
    return types_pb2.Refund(
        refund_id=str(refund.refund_id),
        amount_fen=refund.amount_fen,
        state=enum_to_pb(types_pb2.RefundState, "REFUND_STATE_", refund.state),
    )


def courses_to_pb(courses: Iterable[OrderCourse]) -> list[types_pb2.OrderCourse]:
    """Courses with their slots."""
    return [
        types_pb2.OrderCourse(course_code=course.course_code, slot=course.slot)
        for course in courses
    ]


# A rush takes the same few courses; messages are copied into those that hold them.
_courses_to_pb = lru_cache(maxsize=1024)(courses_to_pb)


def payment_from_pb(message: platform_pb2.Payment) -> Payment:
    """Money that the platform has taken."""
    return Payment(
        payment_id=message.payment_id,
        payment_order_id=UUID(message.order_id),
        amount_fen=message.amount_fen,
        paid_at=time_from_pb(message.paid_at),
    )


def candidate_from_pb(message: candidates_pb2.Candidate) -> Candidate:
    """What decides eligibility; what is personal stays behind."""
    return Candidate(
        candidate_id=UUID(message.candidate_id),
        track=Track(enum_from_pb(registration_types_pb2.Track, _TRACK, message.track)),
        standing=enum_from_pb(registration_types_pb2.Standing, _STANDING, message.standing),
        standing_reason=message.standing_reason,
    )


def enrollment_event(
    session_code: str, candidate_id: UUID, county_code: str, courses: Iterable[OrderCourse]
) -> bytes:
    """A candidate's whole confirmed enrollment, as the outbox keeps it."""
    return enrollment_feed_service_pb2.EnrollmentEvent(
        session_code=session_code,
        candidate_id=str(candidate_id),
        county_code=county_code,
        courses=courses_to_pb(courses),
    ).SerializeToString()


def event_to_pb(row: FeedRow) -> enrollment_feed_service_pb2.EnrollmentEvent:
    """An event of the outbox as it goes out."""
    event = enrollment_feed_service_pb2.EnrollmentEvent.FromString(row.payload)
    event.cursor = str(row.cursor)
    event.occurred_at.CopyFrom(time_to_pb(row.created_at))
    event.traceparent = row.traceparent
    return event
