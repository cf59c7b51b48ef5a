"""What `zikao arrange --verify` says of files in which somebody has claimed more than is so."""

import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from support.tickets_arranging import planned
from zikao_ctl.arrange_verify import (
    HASH_NOT_GIVEN,
    ArrangementFileError,
    Verified,
    read_arrangement,
    verify_arrangement,
)
from zikao_tickets.commands.export_arrangement import FORMAT
from zikao_tickets.domain.draw import seed_sha256
from zikao_tickets.domain.material import seats_sha256
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Roster, Sitting
from zikao_tickets.domain.seating import draw

SEED = bytes(range(32))
Head = dict[str, Any]
ONE_SIZE = (30, 30)
# Three courses of 9 into a room of 20 and one of 10: both are needed.
SEVERAL = (20, 10, 10)


def exported(folder: Path, capacities: tuple[int, ...], change: Callable[[Head], Any]) -> Path:
    """The file of a county with three courses of 9 people, after a change of its head."""
    rooms = [Room("A", f"{number:03}", size) for number, size in enumerate(capacities, start=1)]
    sittings = [Sitting(str(UUID(int=n)), 1, f"{n % 3:05}") for n in range(1, 28)]
    roster = Roster.of(sittings)
    plan = planned(roster, rooms)
    seats = draw(plan, roster, SEED)
    head = {
        "format": FORMAT,
        "based_on": "",
        "seed": SEED.hex(),
        "seed_sha256": seed_sha256(SEED).hex(),
        "seats_sha256": seats_sha256(seats).hex(),
        "accessible": [],
        "rooms": [["A", room.code, room.capacity, [], "normal"] for room in rooms],
        "plan": json.loads(zlib.decompress(plan.to_bytes())),
    }
    change(head)
    file = folder / "arrangement.jsonl"
    file.write_text(f"{json.dumps(head)}\n{json.dumps({'seats': seats})}\n")
    return file


def proof(head: Head, **changes: Any) -> None:
    """Change the only slot's proof, and the figures with it."""
    names = ("slot", "rooms", "bound", "kind", "denominator", "weights", "sizes")
    for name, value in changes.items():
        head["plan"]["proofs"][0][names.index(name)] = value
    rooms, bound = head["plan"]["proofs"][0][1:3]
    head["plan"]["figures"] |= {"rooms": rooms, "rooms_bound": bound}


def verified(
    folder: Path,
    change: Callable[[Head], Any],
    capacities: tuple[int, ...] = ONE_SIZE,
    **options: Any,
) -> Verified:
    """What is said of the file after a change."""
    return verify_arrangement(read_arrangement(exported(folder, capacities, change)), **options)


def unchanged(_: Head) -> None:
    """As it was exported."""


@pytest.mark.parametrize("capacities", [ONE_SIZE, SEVERAL])
def test_what_is_right_is_proven(tmp_path: Path, capacities: tuple[int, ...]) -> None:
    """With the hash that was published nothing is left open; without it that is said."""
    known = seed_sha256(SEED).hex()
    found = verified(tmp_path, unchanged, capacities, published_sha256=known, solve=True)
    assert (found.problems, found.unproven, found.seats) == ([], [], 27)
    assert found.rooms == found.rooms_bound == (1 if capacities == ONE_SIZE else 2)
    assert verified(tmp_path, unchanged, capacities).unproven == [HASH_NOT_GIVEN]


NOT_PROVEN = "slot 1: that no fewer rooms do is not proven"
WRONG: Mapping[str, tuple[Callable[[Head], Any], str]] = {
    "a bound is invented": (lambda h: proof(h, kind="solver", bound=99), NOT_PROVEN),
    "a bound above the rooms": (lambda h: proof(h, kind="solver", bound=2), NOT_PROVEN),
    "prices below zero": (
        lambda h: proof(h, rooms=9, bound=9, denominator=9999, sizes=[[30, 9, -9000]]),
        NOT_PROVEN,
    ),
    "more rooms than are said to do": (
        lambda h: proof(h, bound=0),
        "slot 1: 1 rooms, although 0 are said to do",
    ),
    "more rooms than there are": (
        lambda h: proof(h, rooms=2),
        "slot 1: not as many rooms as the proof says",
    ),
    "other figures": (
        lambda h: h["plan"]["figures"].update(rooms_bound=99),
        "the figures of the arrangement are not those of its proofs",
    ),
    "a late change, which needs no proof, of nothing": (
        lambda h: h["plan"].update(is_late=True),
        "a late change that changes no arrangement",
    ),
    "a proof of nothing": (
        lambda h: h["plan"]["proofs"].append([2, *h["plan"]["proofs"][0][1:]]),
        "the figures of the arrangement are not those of its proofs",
    ),
}


@pytest.mark.parametrize("claim", WRONG)
def test_what_is_claimed_too_much_is_wrong(tmp_path: Path, claim: str) -> None:
    """Whoever writes the file may write what they like; only what follows from it is believed."""
    change, problem = WRONG[claim]
    assert problem in verified(tmp_path, change).problems


def test_a_solvers_word_is_not_a_proof(tmp_path: Path) -> None:
    """One room more than is proven is said to be so, until it is solved again."""

    def less_weight(head: Head) -> None:
        proof(head, kind="solver", weights=[0] * 29)

    word = "slot 1: that 1 rooms are needed is a solver's word, 0 are proven"
    found = verified(tmp_path, less_weight)
    assert (found.problems, found.unproven[1].startswith(word)) == ([], True)
    solved = verified(tmp_path, less_weight, solve=True)
    assert (solved.problems, solved.unproven) == ([], [HASH_NOT_GIVEN])


def test_an_invented_word_is_found_by_solving(tmp_path: Path) -> None:
    """A bound that is too small as well: solved again it is another."""
    found = verified(tmp_path, lambda h: proof(h, bound=1), SEVERAL, solve=True)
    assert found.problems == ["solved again, rooms_bound are 2, not 1"]


def test_rooms_of_several_sizes_may_be_more_than_proven(tmp_path: Path) -> None:
    """Who published it has waived that; whoever verifies it is told."""
    (_, open_claim) = verified(tmp_path, lambda h: proof(h, bound=1), SEVERAL).unproven
    assert open_claim.startswith(
        "slot 1: that fewer rooms than 2 do not suffice (at least 1 are needed)"
    )


def test_rooms_that_came_later_are_told(tmp_path: Path) -> None:
    """A larger room may have saved others: the proof is for those that there were."""
    found = verified(tmp_path, lambda h: h["rooms"].append(["B", "001", 40, [], "normal"]))
    assert found.unproven[1:] == [
        "slot 1: the county has rooms that the proof does not reckon with"
    ]
    closed = verified(tmp_path, lambda h: h["rooms"].append(["B", "001", 40, [], "closed"]))
    assert closed.unproven[1:] == []


@pytest.mark.parametrize("name", ["seed", "rooms", "plan", "accessible", "based_on"])
def test_half_a_file_is_none(tmp_path: Path, name: str) -> None:
    """What lacks something is no export, and no traceback."""
    with pytest.raises(ArrangementFileError, match=name):
        read_arrangement(exported(tmp_path, ONE_SIZE, lambda head: head.pop(name)))
