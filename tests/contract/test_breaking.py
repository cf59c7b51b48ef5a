"""What `make lint` refuses of changes to the contracts, and what it lets through."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from breaking import NoHistory, problems_between, protos_of
from support.contracts import ROOT as PROTOS

ORDERS = "zikao/enrollment/v1/enrollment_service.proto"
REASONS = "zikao/enrollment/v1/errors.proto"
PLATFORM = "zikao/payment/v1/payment_platform_service.proto"
PORTALS = "zikao/enrollment/v1/portal_service.proto"
RELEASES = Path(__file__).parents[2] / "releases.toml"
SUBMIT = "zikao.enrollment.v1.EnrollmentService.SubmitPlan"

PLAN_MISSING = "PLAN_MISSING = 9 [(zikao.options.v1.error) = { code: "
SENSITIVE = "(zikao.options.v1.sensitive)"
FEW_COURSES = "repeated = {\n    min_items: 1\n    max_items: 16"
LIST_ORDERS = "  rpc ListOrders(ListOrdersRequest) returns (ListOrdersResponse) {"
SUBMIT_ACCESS = """returns (SubmitPlanResponse) {
    option (zikao.options.v1.access) = { roles: [ROLE_CANDIDATE], priority: PRIORITY_SUBMIT };"""
WIDER_ACCESS = SUBMIT_ACCESS.replace("roles: [ROLE_CANDIDATE]", "anyone: true")


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The protos of today, as far as enrollment needs them."""
    place = tmp_path_factory.mktemp("today") / "protos"
    for part in ("buf", "zikao/options", "zikao/payment", "zikao/enrollment"):
        shutil.copytree(PROTOS / part, place / part)
    return place


def changed(today: Path, place: Path, file: str, was: str, now: str) -> Path:
    """The protos of today with one change."""
    copy = place / "protos"
    shutil.copytree(today, copy)
    text = (copy / file).read_text(encoding="utf-8")
    assert was in text
    (copy / file).write_text(text.replace(was, now, 1), encoding="utf-8")
    return copy


def problems(today: Path, new: Path, **stated: Any) -> list[str]:
    """What is said against a change of today's protos."""
    return list(problems_between(today, new, stated))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((ORDERS, "bool may_move_on_late_payment = 4;", "int64 gift_fen = 4;"), "changed type"),
        ((ORDERS, "int64 fee_fen = 4;", "string fee_fen = 4;"), "changed type"),
        ((ORDERS, "int32 free = 6;", "int32 free = 7;"), 'field "6" with name "free"'),
        ((ORDERS, LIST_ORDERS, LIST_ORDERS.replace("ListOrders(", "FindOrders(")), "ListOrders"),
        ((REASONS, "SOLD_OUT = 7", "SOLD_OUT = 70"), 'enum value "7"'),
        ((REASONS, "REASON_PLAN_MISSING = 9", "REASON_NO_PLAN = 9"), "PLAN_MISSING"),
        ((REASONS, f"{PLAN_MISSING}9", f"{PLAN_MISSING}5"), "its code was 9 and is 5"),
        ((PORTALS, f"{SENSITIVE} = true", f"{SENSITIVE} = false"), "it was sensitive"),
        (
            (ORDERS, SUBMIT_ACCESS, WIDER_ACCESS),
            "access: anyone - → True; roles ROLE_CANDIDATE → -",
        ),
        ((PLATFORM, "    option idempotency_level = IDEMPOTENT;\n", ""), "callers repeat it"),
        ((ORDERS, FEW_COURSES, FEW_COURSES.replace("min_items: 1", "min_items: 2")), "rules: ["),
    ],
    ids=["reused-number", "type", "renumbered", "removed-method", "renumbered-reason",
         "renamed-reason", "code", "sensitive", "access", "not-repeatable", "rule"],
)  # fmt: skip
def test_what_breaks_callers_is_refused(
    change: tuple[str, str, str], said: str, today: Path, tmp_path: Path
) -> None:
    """A change that a caller of the last release could notice fails the lint, and is named."""
    found = problems(today, changed(today, tmp_path, *change))
    assert any(said in problem for problem in found), found


def test_what_is_only_added_is_accepted(today: Path, tmp_path: Path) -> None:
    """A new method, message, field and reason break nobody."""
    added = changed(
        today, tmp_path, ORDERS, "int64 fee_fen = 1;", "int64 fee_fen = 1;\n  int64 more = 2;"
    )
    with (added / ORDERS).open("a", encoding="utf-8") as file:
        file.write("service AnotherService { rpc Do(DoRequest) returns (DoResponse); }\n")
        file.write("message DoRequest {}\nmessage DoResponse {}\n")
    reasons = added / REASONS
    text = reasons.read_text(encoding="utf-8").rstrip().removesuffix("}")
    reasons.write_text(text + "  ERROR_REASON_NEWS = 99;\n}\n", encoding="utf-8")
    assert problems(today, added) == []


def test_who_may_call_changes_with_a_word(today: Path, tmp_path: Path) -> None:
    """A wider permission passes where releases.toml says why, and not with an empty reason."""
    wider = changed(today, tmp_path, ORDERS, SUBMIT_ACCESS, WIDER_ACCESS)
    assert (
        problems(today, wider, unreleased=[{"item": SUBMIT, "why": "portals need no token"}]) == []
    )
    assert len(problems(today, wider, unreleased=[{"item": SUBMIT, "why": ""}])) == 1


def test_a_word_about_nothing_is_refused(today: Path) -> None:
    """What releases.toml names has changed: an old word cannot excuse a later change."""
    (problem,) = problems(today, today, unreleased=[{"item": SUBMIT, "why": "of an older release"}])
    assert SUBMIT in problem


def test_the_last_releases_protos_are_had_from_history(tmp_path: Path) -> None:
    """The newest release names a commit of this history, whose protos compare with today's."""
    stated = tomllib.loads(RELEASES.read_text(encoding="utf-8"))
    old = protos_of(stated["release"][0], tmp_path)
    assert (old / ORDERS).is_file()
    assert list(problems_between(old, PROTOS, stated)) == []


def test_a_shallow_clone_is_told_so(tmp_path: Path) -> None:
    """Without the commit nothing is compared, and that is no success: it says what to do."""
    with pytest.raises(NoHistory, match="--unshallow"):
        protos_of({"version": "9", "commit": "0" * 40}, tmp_path)
