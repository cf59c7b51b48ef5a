"""The session file: what is read, what is refused, and what the services get."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import protovalidate
import pytest
import yaml
from zikao.enrollment.v1 import types_pb2 as enrollment_types
from zikao_ctl.session_file import load_session_file
from zikao_ctl.session_parts import enrollment_to_pb, registration_to_pb, tickets_to_pb
from zikao_ctl.session_reading import SessionFileError

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples/sichuan-22.1.yaml"


def small_session() -> dict[str, Any]:
    """A session of one county and one course, lists in place."""
    window = {"opens": "2022-02-28 09:00", "closes": "2022-03-02 17:00"}
    return {
        "code": "22.1",
        "name": "2022年4月",
        "time_zone": "Asia/Shanghai",
        "ticket_number": {
            "format": "{city:2}{county:2}{session:3}{serial:5}",
            "session": "221",
        },
        "calendar": {
            "registration": {"opens": "2022-02-21 09:00", "closes": "2022-02-23 17:00"},
            "material_closes": "2022-02-23 18:00",
            "review_closes": "2022-02-24 17:00",
            "enrollment": {"social": window, "applied": window},
            "printing": {"opens": "2022-04-11 09:00", "closes": "2022-04-17 14:45"},
        },
        "slots": [{"starts": "2022-04-16 09:00", "ends": "2022-04-16 11:30"}],
        "courses": [{"code": "00015", "name": "英语(二)", "slot": 1, "tracks": ["social"]}],
        "counties": [{"code": "510104", "name": "锦江区", "seats": 60}],
        "sites": [
            {
                "code": "51010401",
                "county_code": "510104",
                "name": "一中",
                "address": "东路1号",
                "rooms": "1 of 5x6, 2 of 4x5",
            }
        ],
        "fee_fen": 3500,
        "max_courses": 4,
        "hold_minutes": 30,
        "notice": {"version": 1, "paragraphs": ["须带证件。"]},
    }


def write(folder: Path, content: dict[str, Any]) -> Path:
    """A session file of the content."""
    path = folder / "session.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    return path


def problems_of(folder: Path, content: dict[str, Any]) -> list[str]:
    """What is wrong with the content."""
    with pytest.raises(SessionFileError) as refused:
        load_session_file(write(folder, content))
    return refused.value.problems


def test_activation_is_open_while_anybody_enrolls_unless_the_file_says_otherwise(
    tmp_path: Path,
) -> None:
    """From the first opening to the last closing by default; a window of its own counts."""
    content = small_session()
    calendar = content["calendar"]
    calendar["enrollment"] = {
        "social": {"opens": "2022-02-28 09:00", "closes": "2022-03-02 17:00"},
        "applied": {"opens": "2022-03-01 09:00", "closes": "2022-03-03 17:00"},
    }
    part = registration_to_pb(load_session_file(write(tmp_path, content)))
    assert part.activation.opens_at.ToDatetime(UTC) == datetime(2022, 2, 28, 1, tzinfo=UTC)
    assert part.activation.closes_at.ToDatetime(UTC) == datetime(2022, 3, 3, 9, tzinfo=UTC)
    calendar["activation"] = {"opens": "2022-03-01 09:00", "closes": "2022-03-02 09:00"}
    part = registration_to_pb(load_session_file(write(tmp_path, content)))
    assert part.activation.opens_at.ToDatetime(UTC) == datetime(2022, 3, 1, 1, tzinfo=UTC)


def test_profile_changes_take_effect_after_the_last_sitting(tmp_path: Path) -> None:
    """No profile change without its window; with one, nothing changes before the examination."""
    content = small_session()
    part = registration_to_pb(load_session_file(write(tmp_path, content)))
    assert not part.HasField("profile_change")
    assert not part.HasField("profile_changes_effective_at")
    window = {"opens": "2022-03-07 09:00", "closes": "2022-03-11 17:00"}
    content["calendar"]["profile_change"] = window
    content["four_eyes_percent"] = 5
    part = registration_to_pb(load_session_file(write(tmp_path, content)))
    ends = datetime(2022, 4, 16, 3, 30, tzinfo=UTC)
    assert part.profile_changes_effective_at.ToDatetime(UTC) == ends
    assert part.four_eyes_percent == 5


def test_policies_are_false_unless_said(tmp_path: Path) -> None:
    """Enrollment's part has both policies as the file says; a word that is no truth is refused."""
    content = small_session()
    part = enrollment_to_pb(load_session_file(write(tmp_path, content)))
    assert (part.single_submission, part.dual_control) == (False, False)
    content["policies"] = {"single_submission": True, "dual_control": False}
    part = enrollment_to_pb(load_session_file(write(tmp_path, content)))
    assert (part.single_submission, part.dual_control) == (True, False)
    content["policies"] = {"dual_control": "yes"}
    with pytest.raises(SessionFileError, match=r"policies\.dual_control: must be true or false"):
        load_session_file(write(tmp_path, content))


def test_a_track_has_a_waiting_room_when_the_file_gives_it_one(tmp_path: Path) -> None:
    """What the room leaves out is as usual; a track without one has none."""
    content = small_session()
    tracks = content["calendar"]["enrollment"]
    tracks["social"] = tracks["social"] | {"waiting_room": {"max_per_second": 800}}
    windows = enrollment_to_pb(load_session_file(write(tmp_path, content))).windows
    rooms = {window.track: window.waiting_room for window in windows}
    assert not rooms[enrollment_types.TRACK_APPLIED].HasField("opens_before")
    room = rooms[enrollment_types.TRACK_SOCIAL]
    assert (room.opens_before.seconds, room.pass_life.seconds) == (1800, 600)
    assert (room.max_per_second, room.quiet.seconds) == (800, 60)
    tracks["social"]["waiting_room"] = {"pass_minutes": 0}
    with pytest.raises(SessionFileError, match=r"waiting_room\.pass_minutes: must be a whole"):
        load_session_file(write(tmp_path, content))


def test_example_says_what_the_domain_says() -> None:
    """The example has Sichuan's counties, courses, calendar, fee and hold of session 22.1."""
    session = load_session_file(EXAMPLE)
    assert (len(session.counties), len(session.courses), len(session.slots)) == (183, 96, 4)
    assert session.calendar.enrollment["social"].opens_at == datetime(2022, 2, 28, 1, tzinfo=UTC)
    assert session.calendar.enrollment["applied"].closes_at == datetime(2022, 3, 3, 9, tzinfo=UTC)
    assert (session.fee_fen, session.max_courses, session.hold.total_seconds()) == (3500, 4, 1800)
    assert sum(county.seats[0] for county in session.counties) >= 900_000 / 4


def test_example_satisfies_the_contracts() -> None:
    """Every part made of the example passes the contract's validation rules."""
    session = load_session_file(EXAMPLE)
    for part in (registration_to_pb(session), enrollment_to_pb(session), tickets_to_pb(session)):
        protovalidate.validate(part)


def test_example_is_what_its_script_makes() -> None:
    """The committed tables are those that scripts/make_example.py writes."""
    script = ROOT / "scripts/make_example.py"
    done = subprocess.run([sys.executable, script, "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_parts_carry_the_values(tmp_path: Path) -> None:
    """Times arrive in UTC, rooms in order, one number of seats for each slot."""
    session = load_session_file(write(tmp_path, small_session()))
    enrollment = enrollment_to_pb(session)
    assert enrollment.windows[0].opens_at.ToDatetime(UTC) == datetime(2022, 2, 28, 1, tzinfo=UTC)
    assert list(enrollment.courses[0].tracks) == [enrollment_types.TRACK_SOCIAL]
    assert list(enrollment.counties[0].seats) == [60]
    assert enrollment.hold.seconds == 1800
    tickets = tickets_to_pb(session)
    rooms = [(room.code, room.columns, room.rows) for room in tickets.sites[0].rooms]
    assert rooms == [("001", 5, 6), ("002", 4, 5), ("003", 4, 5)]
    assert tickets.sites[0].county_name == "锦江区"
    assert registration_to_pb(session).ticket_number_session == "221"


def test_sites_may_be_left_to_the_offices(tmp_path: Path) -> None:
    """A file without sites brings none; rooms told one by one, and two officers, go to tickets."""
    content = small_session() | {"policies": {"dual_control": True}}
    content["rooms"] = [{"site": "51010401", "room": "003", "use": "normal", "accessible": [1, 2]}]
    session = load_session_file(write(tmp_path, content))
    part = tickets_to_pb(session)
    assert (part.dual_control, part.sites[0].rooms[2].columns) == (True, 5)
    assert list(part.sites[0].rooms[2].accessible) == [1, 2]
    content["rooms"][0]["use"] = "closed"
    content["counties"][0]["seats"] = 70
    assert problems_of(tmp_path, content) == ["counties: 510104 offers 70 seats, its rooms have 50"]
    del content["sites"], content["rooms"]
    assert list(tickets_to_pb(load_session_file(write(tmp_path, content))).sites) == []


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Missing, unknown, wrongly typed and contradicting values come in one answer."""
    content = small_session()
    del content["fee_fen"]
    content["hold_minute"] = content.pop("hold_minutes")
    content["code"] = 22.1
    content["courses"][0]["slot"] = 2
    content["calendar"]["printing"]["closes"] = "2022-04-01 09:00"
    content["counties"][0]["seats"] = 71
    problems = problems_of(tmp_path, content)
    assert problems == [
        "code: must be text: write it in quotes (22.1)",
        "fee_fen: is missing",
        "hold_minutes: is missing",
        "hold_minute: is not known; is hold_minutes meant?",
        "calendar.printing: must open before it closes",
        "courses: 00015 is in slot 2, which is none",
        "counties: 510104 offers 71 seats, its rooms have 70",
    ]


@pytest.mark.parametrize(
    ("where", "key", "value", "problem"),
    [
        ("calendar", "material_closes", "gestern", "calendar.material_closes: must be a local"),
        ("calendar", "review_closes", "2022-02-23 17:30", "calendar.review_closes: must not be"),
        ("ticket_number", "session", "22", "ticket_number.session: must have the 3 digits"),
        ("ticket_number", "format", "{city:2}", "ticket_number.format: must be made of"),
        ("notice", "version", True, "notice.version: must be a whole number"),
        ("notice", "paragraphs", [""], "notice.paragraphs: must have 1 to 1000"),
        ("", "code", "22年4月", "code: must be 1 to 16 letters, digits and signs"),
        ("", "fee_fen", 0, "fee_fen: must be a whole number from 1"),
        ("", "max_courses", 9, "max_courses: must be a whole number from 1 to 8"),
    ],
)
def test_wrong_values_are_refused(
    tmp_path: Path, where: str, key: str, value: object, problem: str
) -> None:
    """A wrong value is refused at its path, in words."""
    content = small_session()
    (content[where] if where else content)[key] = value
    (only,) = problems_of(tmp_path, content)
    assert only.startswith(problem)


def test_a_missing_part_is_told_once(tmp_path: Path) -> None:
    """What is below a missing mapping is not told again key by key."""
    content = small_session()
    del content["notice"]
    content["calendar"]["enrollment"]["applied"] = "always"
    assert problems_of(tmp_path, content) == [
        "calendar.enrollment.applied: must be a mapping",
        "notice: is missing",
    ]


def test_csv_problems_name_file_and_line(tmp_path: Path) -> None:
    """A wrong cell of a table is found by the table's name and line."""
    table = "code,name,slot,tracks\n00015,英语,1,social\n15,英语,one,evening\n"
    (tmp_path / "courses.csv").write_text(table, "utf-8")
    content = small_session() | {"courses": {"csv": "courses.csv"}}
    assert problems_of(tmp_path, content) == [
        "courses.csv line 3.tracks: must be of social, applied, each once",
        "courses.csv line 3.code: must be a 5-digit course code, not '15'",
        "courses.csv line 3.slot: must be a whole number from 1 to 64",
    ]


def test_keys_given_twice_are_refused(tmp_path: Path) -> None:
    """YAML's silent last-one-wins never decides a fee."""
    path = write(tmp_path, small_session())
    path.write_text(path.read_text("utf-8") + "fee_fen: 1\n", "utf-8")
    with pytest.raises(SessionFileError, match="fee_fen is given twice"):
        load_session_file(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A wrong path is a problem of the file, not a traceback."""
    with pytest.raises(SessionFileError, match="cannot be read"):
        load_session_file(tmp_path / "none.yaml")
