"""Who of a county sits what: the input of an arrangement."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

Choice = tuple[tuple[int, str], ...]
"""A candidate's sittings: (slot, course), in the order of slots."""


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
    """Candidate to sittings, and who of them needs an accessible seat."""

    choices: Mapping[str, Choice]
    accessible: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, sittings: Iterable[Sitting], accessible: Iterable[str] = ()) -> "Roster":
        """The roster of sittings in any order."""
        slots: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for candidate_id, slot, course_code in sittings:
            slots[candidate_id].append((slot, course_code))
        # One tuple a choice however many take it: it travels to the solving process once.
        known: dict[Choice, Choice] = {}
        choices: dict[str, Choice] = {}
        for candidate_id in sorted(slots):
            choice = tuple(sorted(slots[candidate_id]))
            choices[candidate_id] = known.setdefault(choice, choice)
        return cls(choices, frozenset(choices.keys() & set(accessible)))

    def kinds(self) -> dict[Kind, list[str]]:
        """Kind to its candidates in the order of ids; kinds sorted."""
        members: defaultdict[Kind, list[str]] = defaultdict(list)
        for candidate_id in sorted(self.choices):
            kind = Kind(self.choices[candidate_id], candidate_id in self.accessible)
            members[kind].append(candidate_id)
        return dict(sorted(members.items()))

    def counts(self) -> dict[int, dict[str, int]]:
        """Slot to course to people, both sorted."""
        people: defaultdict[int, Counter[str]] = defaultdict(Counter)
        for choice, takers in Counter(self.choices.values()).items():
            for slot, course_code in choice:
                people[slot][course_code] += takers
        return {slot: dict(sorted(people[slot].items())) for slot in sorted(people)}

    def sittings(self) -> list[Sitting]:
        """Every sitting, in the order of candidates and slots."""
        return [
            Sitting(candidate_id, slot, course_code)
            for candidate_id in sorted(self.choices)
            for slot, course_code in self.choices[candidate_id]
        ]

    def sha256(self) -> bytes:
        """What a plan was made for, 32 bytes; the same for the same people, sittings and needs."""
        digest = hashlib.sha256()
        for candidate_id in sorted(self.choices):
            need = "+" if candidate_id in self.accessible else ""
            taken = ";".join(f"{slot}/{code}" for slot, code in self.choices[candidate_id])
            digest.update(f"{candidate_id}{need} {taken}\n".encode())
        return digest.digest()
