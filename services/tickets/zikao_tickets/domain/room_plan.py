"""Fewest rooms of a slot, with the proof that there are no fewer.

Arithmetic first: where best fit needs as many rooms as seats or courses ask for, nothing is left
to search. Else the pattern model's duals are the weights of the proof, and a solver finds the
rooms that meet it. What is proven is proven by the certificate, never by how rooms were found.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from zikao_tickets.domain.cannot_arrange import RoomsInsufficient, RoomsNotFound
from zikao_tickets.domain.certificate import (
    ProofKind,
    RoomSize,
    SlotProof,
    least_denominator,
    rooms_bound,
)
from zikao_tickets.domain.packing import SlotPacking, one_size, several_sizes
from zikao_tickets.domain.rooms import Room, RoomUse


class Weights(NamedTuple):
    """Weights of remainders by size from 1, and rooms with their prices."""

    weights: tuple[int, ...]
    sizes: tuple[RoomSize, ...]


class Packed(NamedTuple):
    """What a solver found; `proven` rooms it says are necessary, however it knows."""

    packing: SlotPacking
    proven: int
    packs_bound: int


class RoomSolver(Protocol):
    """Exact models of a slot; nothing when one is too large or its limits were reached."""

    def weights(self, counts: Mapping[str, int], sizes: Sequence[RoomSize]) -> Weights | None:
        """Weights whose bound is the best that pattern models give."""

    def pack(
        self, slot: int, counts: Mapping[str, int], sizes: Sequence[RoomSize]
    ) -> Packed | None:
        """The fewest rooms, then the fewest packs; nothing if there is no room for all."""


def room_sizes(rooms: Sequence[Room]) -> tuple[RoomSize, ...]:
    """The rooms for first arrangements, the largest first."""
    capacities = [room.capacity for room in rooms if room.use is RoomUse.NORMAL]
    return tuple(
        RoomSize(capacity, capacities.count(capacity))
        for capacity in sorted(set(capacities), reverse=True)
    )


def plan_rooms(
    slot: int, counts: Mapping[str, int], sizes: Sequence[RoomSize], solver: RoomSolver
) -> tuple[SlotPacking, SlotProof]:
    """The rooms of a slot and their proof. Raises RoomsInsufficient."""
    if not sizes:
        raise RoomsInsufficient(slot, 1, 0)
    largest = sizes[0]
    surely = _bound(counts, _simple_best(counts, sizes))
    if len(sizes) > 1 and surely > largest.rooms:
        return _plan_sizes(slot, counts, sizes, solver, needed=surely)
    # Enough of the largest rooms: smaller ones cannot save any (a course that fills j rooms, with
    # or without a remainder in another one, fits into as many of the largest).
    packing, proof = _plan_one_size(slot, counts, largest.capacity, sizes, solver)
    if packing.rooms <= largest.rooms:
        return packing, proof
    if len(sizes) == 1:
        raise _refusal(slot, proof.bound, largest.rooms)
    return _plan_sizes(slot, counts, sizes, solver, needed=proof.bound)


def _plan_one_size(
    slot: int,
    counts: Mapping[str, int],
    capacity: int,
    sizes: Sequence[RoomSize],
    solver: RoomSolver,
) -> tuple[SlotPacking, SlotProof]:
    """As if there were enough rooms of the largest capacity."""
    packing = one_size(slot, counts, capacity)
    best = _simple_best(counts, sizes)
    enough = [RoomSize(capacity, sum(counts.values()))]
    if packing.rooms > _bound(counts, best) and (found := solver.weights(counts, enough)):
        duals = Weights(found.weights, tuple(sizes))
        best = max(best, duals, key=lambda each: _bound(counts, each))
    bound, kind = _bound(counts, best), ProofKind.WEIGHTS
    if packing.rooms > bound and (packed := solver.pack(slot, counts, enough)):
        packing = min(packing, packed.packing, key=lambda each: each.rooms)
        if packed.proven > bound:
            bound, kind = packed.proven, ProofKind.SOLVER
    return packing, _proof(packing, best, bound, kind, packing.packs)


def _plan_sizes(
    slot: int,
    counts: Mapping[str, int],
    sizes: Sequence[RoomSize],
    solver: RoomSolver,
    needed: int,
) -> tuple[SlotPacking, SlotProof]:
    """Rooms of several capacities, of which the largest do not suffice."""
    packed = solver.pack(slot, counts, sizes) or _packed_by_rule(slot, counts, sizes)
    if packed is None:
        available = sum(size.rooms for size in sizes)
        seats = sum(size.capacity * size.rooms for size in sizes)
        surely = max(needed, available + 1) if sum(counts.values()) > seats else needed
        raise _refusal(slot, surely, available)
    found = solver.weights(counts, sizes)
    best = _simple_best(counts, sizes)
    if found:
        best = max(best, found, key=lambda each: _bound(counts, each))
    bound, kind = _bound(counts, best), ProofKind.WEIGHTS
    if packed.proven > bound:
        bound, kind = packed.proven, ProofKind.SOLVER
    return packed.packing, _proof(packed.packing, best, bound, kind, packed.packs_bound)


def _refusal(slot: int, needed: int, available: int) -> RoomsInsufficient:
    """What may be said: that so many rooms are needed is proven."""
    if needed > available:
        return RoomsInsufficient(slot, needed, available)
    return RoomsNotFound(slot, available + 1, available)


def _packed_by_rule(
    slot: int, counts: Mapping[str, int], sizes: Sequence[RoomSize]
) -> Packed | None:
    """What the solver does not try; nothing of it is proven but by the simple weights."""
    packing = several_sizes(slot, counts, {size.capacity: size.rooms for size in sizes})
    if packing is None:
        return None
    return Packed(packing, 0, sum(-(-people // sizes[0].capacity) for people in counts.values()))


def _simple_best(counts: Mapping[str, int], sizes: Sequence[RoomSize]) -> Weights:
    """The better of the bounds by seats and by courses, in rooms of the largest capacity."""
    capacity = sizes[0].capacity
    both = (tuple(range(1, capacity)), (1,) * (capacity - 1))
    return max((Weights(each, tuple(sizes)) for each in both), key=lambda by: _bound(counts, by))


def _bound(counts: Mapping[str, int], by: Weights) -> int:
    denominator = least_denominator(by.weights, by.sizes)
    return rooms_bound(counts.values(), denominator, by.weights, by.sizes)


def _proof(
    packing: SlotPacking, by: Weights, bound: int, kind: ProofKind, packs_bound: int
) -> SlotProof:
    denominator = least_denominator(by.weights, by.sizes)
    return SlotProof(
        packing.slot,
        packing.rooms,
        bound,
        kind,
        denominator,
        by.weights,
        by.sizes,
        packing.packs,
        packs_bound,
    )
