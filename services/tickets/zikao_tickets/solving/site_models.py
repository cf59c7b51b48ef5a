"""A cut of sites in two halves by exact models, and what any cut leaves over."""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from zikao_tickets.domain.packing import Bin
from zikao_tickets.domain.site_plan import Cut, Load, Side, SlotBin
from zikao_tickets.solving.cut_model import SOLVED, CutModel
from zikao_tickets.solving.cut_search import kept_rooms, likely_rooms
from zikao_tickets.solving.highs import TOLERANCE, Numbers


class SiteModels:
    """Implements SiteSolver."""

    def cut(self, load: Load, here: Side, there: Side) -> Cut:
        """The cut with the fewest sittings left over that is found.

        Where no likely rooms have none, the whole program is branched, within limits.
        """
        model = CutModel(load, here, there)
        rooms = likely_rooms(model)
        best = model.finish(any_rooms(model) if rooms is None else rooms)
        for kept in _branched(model):
            if best.objective < SOLVED:
                break
            if (answer := model.branch(kept)) is not None:
                found = model.finish(model.rooms_of(answer))
                best = min(best, found, key=lambda each: each.objective)
                if not kept.any() and answer.bound > best.objective - 1 + TOLERANCE:
                    best = replace(best, is_searched=True)
        return best

    def left_over_bound(self, load: Load, here: Side, there: Side) -> int:
        """Sittings that are left over at any cut, whichever rooms the remainders share."""
        alone = tuple(
            SlotBin(slot, Bin(shared.capacity, (group,)))
            for slot, shared in load.bins
            for group in shared.groups
        )
        model = CutModel(replace(load, bins=alone), here, there, by_seats=True)
        return max(0, ceil(model.branch_bound() - TOLERANCE))


def _branched(model: CutModel) -> Iterator[NDArray[np.bool_]]:
    """Rooms that the half has all of, one choice after the other."""
    yield from kept_rooms(model)
    if model.is_small:
        yield np.zeros(len(model.most), dtype=bool)


def any_rooms(model: CutModel) -> Numbers:
    """The rooms in their order until the half has what the other one cannot take."""
    wanted = {
        (slot, capacity): rooms - model.there.rooms.get(capacity, 0)
        for (slot, capacity), rooms in model.rooms_used().items()
    }
    taken = []
    for shape, most in zip(model.shapes(), model.most.tolist(), strict=True):
        taken.append(max(0, min(most, wanted[shape])))
        wanted[shape] -= taken[-1]
    return np.array(taken, dtype=float)
