"""What `pre` migrations from before the check of them did beyond adding, and why they might.

An applied file never changes, so it is said here; a newer file says it itself, in a line
`-- allowed: FINDING because WHY` (docs/upgrades.md).
"""

from collections.abc import Mapping, Sequence

EXPLAINED: Mapping[str, tuple[str, Sequence[str]]] = {
    "registration 0005": (
        "the audit stays append-only by another trigger; the new one notes each entry for "
        "the chain, whoever writes it",
        ["trigger audit.audit_append_only is another", "trigger audit.audit_noted is new"],
    ),
    "enrollment 0002": (
        "the table was small, and the copies are what the version before keeps writing until post",
        ["index refund.refund_refused is new", "rows of payment change"],
    ),
    "enrollment 0006": (
        "payments of a day are looked for by their time; the table was small",
        ["index payment.payment_by_receipt is new", "index payment.payment_by_time is new"],
    ),
    "enrollment 0009": (
        "orders and sessions are never deleted, and who writes an event or a sitting has "
        "its order: they asked for a row more per row of a rush and refused nothing that "
        "any version does",
        [
            "constraint enrollment_order.enrollment_order_session_code_fkey is gone",
            "constraint order_event.order_event_order_id_fkey is gone",
            "constraint sitting.sitting_order_id_fkey is gone",
        ],
    ),
    "enrollment 0010": (
        "the roster is read by it; orders are few before the first opening",
        ["index enrollment_order.enrollment_order_confirmed is new"],
    ),
    "enrollment 0011": (
        "the new index begins with the state: what was asked by the old one is asked by it",
        [
            "index payment_order.payment_order_due is new",
            "index payment_order.payment_order_to_query is gone",
        ],
    ),
    "enrollment 0012": (
        "the new index has the rows of the old one and more",
        [
            "index difference.difference_unresolved is new",
            "index difference.difference_unsettled is gone",
        ],
    ),
    "enrollment 0013": (
        "an officer's open acts are counted by it; the table is small",
        ["index office_action.office_action_pending is new"],
    ),
    "enrollment 0015": (
        "the new index has the rows of the old one, by session",
        [
            "index enrollment_order.enrollment_order_by_deadline is gone",
            "index enrollment_order.enrollment_order_by_session_deadline is new",
        ],
    ),
    "enrollment 0016": (
        "a state that follows from columns the version before writes; nobody changes an "
        "event in any version; the table of refunds is small",
        [
            "index payment.payment_odd is new",
            "index refund.refund_refused is gone",
            "refund is written anew",
            "trigger order_event.order_event_append_only is new",
        ],
    ),
    "enrollment 0018": (
        "the rule of the foreign key is kept by a trigger, once a statement",
        [
            "constraint enrollment.enrollment_county is gone",
            "constraint sitting.sitting_county is gone",
            "trigger sitting.sitting_county is new",
        ],
    ),
    "enrollment 0019": (
        "the rest of that rule, as triggers that refuse what the foreign key refused",
        [
            "trigger enrollment.enrollment_seated is new",
            "trigger enrollment.enrollment_seated_elsewhere is new",
            "trigger sitting.sitting_county_changed is new",
        ],
    ),
    "enrollment 0021": (
        "the report of arrivals came with 0020 and lives for a second; no version with "
        "0020 alone was ever run",
        [
            "constraint waiting_report.waiting_report_pkey is another",
            "waiting_report is written anew",
            "waiting_report.came is new and must be given",
            "waiting_report.came_seconds is new and must be given",
            "waiting_report.passes_used is gone",
            "waiting_report.session_code is new and must be given",
            "waiting_report.track is new and must be given",
            "waiting_report.wait_ms is gone",
            "waiting_report.wait_seconds is new and must be given",
        ],
    ),
    "enrollment 0022": (
        "sittings follow from the orders: the version before reads a view, and what it "
        "writes is taken from its orders by triggers until post "
        "(test_seats_bound_migrated)",
        [
            "constraint order_event.order_event_pkey is another",
            "index order_event.order_event_by_order is gone",
            "rows of enrollment change",
            "sitting is no table any more",
            "trigger enrollment.enrollment_seated is gone",
            "trigger enrollment.enrollment_seated_elsewhere is gone",
            "trigger enrollment_order.enrollment_order_binds is new",
            "trigger enrollment_order.enrollment_order_binds_changed is new",
        ],
    ),
    "enrollment 0024": (
        "the audit stays append-only by another trigger; the new one notes each entry for "
        "the chain, whoever writes it",
        [
            "trigger office_audit.office_audit_append_only is another",
            "trigger office_audit.office_audit_noted is new",
        ],
    ),
    "tickets 0002": (
        "the numbering was not set by any version before, and rooms are few",
        ["constraint room.room_numbering is new", "room is written anew"],
    ),
    "tickets 0004": (
        "more states than before are allowed, and the rule of approval is about a state "
        "that the version before does not know",
        [
            "constraint arrangement.arrangement_approved is new",
            "constraint arrangement.arrangement_state is another",
            "index arrangement.arrangement_by_county is new",
            "index arrangement.arrangement_by_operation is new",
        ],
    ),
    "tickets 0006": (
        "the same index, of revoked tickets too",
        ["index ticket.ticket_by_county is another"],
    ),
    "tickets 0007": (
        "what offices look for; keys of proof are few",
        [
            "index ticket.ticket_unchecked is new",
            "index unprintable.unprintable_by_number is new",
            "rows of proof_key change",
        ],
    ),
    "tickets 0009": (
        "an officer's versions of a day are counted by it",
        ["index ticket.ticket_by_officer is new"],
    ),
    "tickets 0010": (
        "more states than before are allowed; arrangements are few",
        [
            "constraint arrangement.arrangement_state is another",
            "index arrangement.arrangement_approved_order is new",
        ],
    ),
    "tickets 0012": (
        "more reasons than before are allowed",
        ["constraint ticket.ticket_reason is another"],
    ),
    "tickets 0013": (
        "arrangements are few, and their seeds stay what they were",
        ["index arrangement.arrangement_seed is new", "rows of arrangement change"],
    ),
    "tickets 0018": (
        "one key in place of two, on the same columns in another order",
        ["constraint seat.seat_one_a_slot is another", "index seat.seat_by_candidate is gone"],
    ),
    "tickets 0019": (
        "the audit stays append-only by another trigger; the new one notes each entry for "
        "the chain, whoever writes it",
        [
            "trigger office_audit.office_audit_append_only is another",
            "trigger office_audit.office_audit_noted is new",
        ],
    ),
}
