"""Who of a county sits what: the input of an arrangement."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

Choice = tuple[tuple[int, str], ...]
"""A candidate's sittings: (slot, course), in the order of slots."""

_NEEDING = "+"


class Sitting(NamedTuple):
    """A candidate takes a course in a slot."""

    candidate_id: str
    slot: int
    course_code: str


class Kind(NamedTuple):
    """Candidates whom only the draw tells apart: the same sittings, the same need of a seat."""

    choice: Choice
    accessible: bool


@dataclass(frozen=True)
class Roster:
    """A line for each candidate in the order of ids, as the database writes it.

    `ID 1/00015;3/13000`, with "+" after the id of who needs an accessible seat. As such it is
    compared and sent to the solving processes; only they take it apart.
    """

    text: bytes

    @classmethod
    def of(cls, sittings: Iterable[Sitting], accessible: Iterable[str] = ()) -> "Roster":
        """The roster of sittings in any order."""
        slots: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for candidate_id, slot, course_code in sittings:
            slots[candidate_id].append((slot, course_code))
        needing = set(accessible)
        lines = (
            f"{candidate_id}{_NEEDING * (candidate_id in needing)} {_written(slots[candidate_id])}"
            for candidate_id in sorted(slots)
        )
        return cls("".join(f"{line}\n" for line in lines).encode())

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel without what was found in it."""
        return Roster, (self.text,)

    @property
    def candidates(self) -> int:
        """How many there are."""
        return self.text.count(b"\n")

    @cached_property
    def accessible(self) -> frozenset[str]:
        """Who needs an accessible seat."""
        mark = f"{_NEEDING} ".encode()
        lines = (line for line in self.text.splitlines() if mark in line)
        return frozenset(line.partition(mark)[0].decode() for line in lines)

    @cached_property
    def choices(self) -> Mapping[str, Choice]:
        """Candidate to sittings, in the order of ids."""
        known: dict[str, Choice] = {}
        choices: dict[str, Choice] = {}
        for line in self._lines():
            candidate_id, _, taken = line.partition(" ")
            if taken not in known:
                known[taken] = _read(taken)
            choices[candidate_id.removesuffix(_NEEDING)] = known[taken]
        return choices

    def kinds(self) -> dict[Kind, list[str]]:
        """Kind to its candidates in the order of ids; kinds sorted."""
        members: defaultdict[tuple[str, bool], list[str]] = defaultdict(list)
        for line in self._lines():
            candidate_id, _, taken = line.partition(" ")
            needs = candidate_id.endswith(_NEEDING)
            members[taken, needs].append(candidate_id.removesuffix(_NEEDING))
        kinds = ((Kind(_read(taken), needs), people) for (taken, needs), people in members.items())
        return dict(sorted(kinds))

    def counts(self) -> dict[int, dict[str, int]]:
        """Slot to course to people, both sorted."""
        people: defaultdict[int, Counter[str]] = defaultdict(Counter)
        for taken, takers in Counter(line.partition(" ")[2] for line in self._lines()).items():
            for slot, course_code in _read(taken):
                people[slot][course_code] += takers
        return {slot: dict(sorted(people[slot].items())) for slot in sorted(people)}

    def sittings(self) -> list[Sitting]:
        """Every sitting, in the order of candidates and slots."""
        return [
            Sitting(candidate_id, slot, course_code)
            for candidate_id, choice in self.choices.items()
            for slot, course_code in choice
        ]

    def sha256(self) -> bytes:
        """What a plan was made for, 32 bytes; the same for the same people, sittings and needs."""
        return hashlib.sha256(self.text).digest()

    def _lines(self) -> list[str]:
        return self.text.decode().splitlines()


def _written(choice: Iterable[tuple[int, str]]) -> str:
    return ";".join(f"{slot}/{code}" for slot, code in sorted(choice))


def _read(taken: str) -> Choice:
    sittings = (each.partition("/") for each in taken.split(";"))
    return tuple((int(slot), code) for slot, _, code in sittings)
