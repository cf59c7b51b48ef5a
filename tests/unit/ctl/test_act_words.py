"""Acts of offices in a line each."""

import pytest
from zikao.enrollment.v1 import office_service_pb2 as enrollment
from zikao.enrollment.v1 import types_pb2
from zikao.tickets.v1 import office_service_pb2 as tickets
from zikao.tickets.v1 import session_service_pb2 as sessions
from zikao_ctl.act_words import WORDS, in_one_line

CLOSED = sessions.ROOM_USE_CLOSED
DRAWN = tickets.ProposedArrangement(
    county_code="510104",
    anew=True,
    started_by="o",
    discarded=2,
    published_before=1,
    rooms=3,
    rooms_bound=2,
)
SEATS = [
    enrollment.SeatCapacity(county_code="510104", slot=slot, capacity=9) for slot in range(1, 8)
]
SOCIAL, APPLIED = types_pb2.TRACK_SOCIAL, types_pb2.TRACK_APPLIED


def test_notes_move_nothing_on_the_terminal_of_who_confirms() -> None:
    """Whoever proposes may write what erases a line or turns it round: it is seen as it is."""
    note = "a\x1b[2K\r\n\x9b1A\u202eb 张·三𠱃"
    act = tickets.SetRoomUseAct(site_code="A", room_code="1", use=CLOSED, reason=note)
    words = in_one_line(tickets.OfficeAct(set_room_use=act))
    assert words == r"room A/1 is closed: a\u001b[2K\u000d\u000a\u009b1A\u202eb 张·三𠱃"


def test_every_act_of_every_service_has_words() -> None:
    """A second officer is shown what an act does, whichever it is."""
    fields = {
        field.name
        for act in (tickets.OfficeAct, enrollment.OfficeAct)
        for field in act.DESCRIPTOR.oneofs_by_name["act"].fields
    }
    assert set(WORDS) == fields


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (
            tickets.OfficeAct(
                set_room_use=tickets.SetRoomUseAct(
                    site_code="A", room_code="001", use=sessions.ROOM_USE_RESERVE, reason="漏水"
                )
            ),
            "room A/001 is reserve: 漏水",
        ),
        (
            tickets.OfficeAct(
                publish_arrangements=tickets.PublishArrangementsAct(
                    arrangements=[tickets.ProposedArrangement()] * 3
                )
            ),
            "3 counties are published",
        ),
        (
            tickets.OfficeAct(
                publish_arrangements=tickets.PublishArrangementsAct(
                    arrangements=[
                        *[tickets.ProposedArrangement(discarded=1, started_by="o")] * 5,
                        DRAWN,
                    ][::-1],
                    above_bound=True,
                )
            ),
            "6 counties are published, also above the bound; 510104: anew, 2 given up before it, "
            "1 in force before it, 3 rooms, 2 proven to be needed, by o"
            + "; : 1 given up before it, by o" * 4
            + ", and 1 more",
        ),
        (
            tickets.OfficeAct(
                correct_site=tickets.CorrectSiteAct(
                    site_code="A", name="十八中", address="新街1号", reason="更名"
                )
            ),
            "site A is 十八中, 新街1号: 更名",
        ),
        (
            enrollment.OfficeAct(change_capacities=enrollment.SeatCapacities(seats=SEATS[:1])),
            "seats of 510104 slot 1: 9",
        ),
        (
            enrollment.OfficeAct(change_capacities=enrollment.SeatCapacities(seats=SEATS)),
            "seats of 510104 slot 1: 9, 510104 slot 2: 9, 510104 slot 3: 9, 510104 slot 4: 9, "
            "510104 slot 5: 9 and 2 more",
        ),
        (
            enrollment.OfficeAct(
                close_enrollment=types_pb2.Closing(county_prefix="5101", reason="维修")
            ),
            "enrollment in 5101 for all courses is closed: 维修",
        ),
        (
            enrollment.OfficeAct(
                open_enrollment=types_pb2.Closing(county_prefix="5101", course_code="00015")
            ),
            "enrollment in 5101 for 00015 is open again",
        ),
        (
            enrollment.OfficeAct(request_refund_again=enrollment.RefundRequest(refund_id="r")),
            "refund r is asked for again",
        ),
        (
            enrollment.OfficeAct(
                set_admission_rate=enrollment.AdmissionLimit(track=SOCIAL, hold=True)
            ),
            "the waiting room of social candidates admits nobody",
        ),
        (
            enrollment.OfficeAct(
                set_admission_rate=enrollment.AdmissionLimit(track=APPLIED, per_second=300)
            ),
            "the waiting room of applied candidates admits at most 300 a second",
        ),
        (
            enrollment.OfficeAct(set_admission_rate=enrollment.AdmissionLimit(track=SOCIAL)),
            "the waiting room of social candidates admits as many as are finished",
        ),
    ],
)
def test_an_act_is_told_in_a_line(
    act: tickets.OfficeAct | enrollment.OfficeAct, words: str
) -> None:
    """What it is about and what becomes of it."""
    assert in_one_line(act) == words
