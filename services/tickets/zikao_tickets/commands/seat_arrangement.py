"""The work of an arrangement but for the solving: what it is made from, and what comes of it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from zikao_tickets.domain.cannot_arrange import PublishedMeanwhile
from zikao_tickets.domain.certificate import SlotProof
from zikao_tickets.domain.material import Material, material_digest
from zikao_tickets.domain.plan import Plan
from zikao_tickets.domain.seat_rows import DrawnSeats
from zikao_tickets.domain.states import Arrangement, ArrangementState, Counts
from zikao_tickets.domain.violations import Violation, in_words
from zikao_tickets.stores.arrangements import ArrangementStore, Lease
from zikao_tickets.stores.arranging import ArrangingStores
from zikao_tickets.stores.seating import SeatingStore, StoredPlan


class MaterialChanged(Exception):  # noqa: N818 - says what happened
    """Sittings, rooms or the arrangement in force are others than those it was solved for."""


class CheckFailed(Exception):  # noqa: N818 - says what happened
    """The independent checker found something: a fault of the arranging."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__(in_words(violations))


async def read_material(stores: ArrangingStores, arrangement: Arrangement) -> Material:
    """Who sits what, the rooms, and the seats in force that are to be kept.

    Raises PublishedMeanwhile: by now the seed of what is in force is revealed, or another's.
    """
    county = (arrangement.session_code, arrangement.county_code)
    in_force = await stores.arrangements.in_force(*county)
    if in_force != arrangement.seeded_on:
        raise PublishedMeanwhile
    keeps = in_force is not None and not arrangement.anew
    return Material(
        roster=await stores.seating.roster(*county),
        rooms=await stores.seating.rooms(*county),
        in_force=in_force,
        published=await stores.seating.seats(in_force) if in_force and keeps else None,
    )


async def find_plan(store: SeatingStore, arrangement_id: UUID, input_sha256: bytes) -> Plan | None:
    """The plan that somebody has made from the same material before the process died."""
    stored = await store.plan(arrangement_id)
    if stored is None or stored.input_sha256 != input_sha256:
        return None
    return Plan.from_bytes(stored.plan)


async def keep_plan(
    stores: ArrangingStores, held: Lease, plan: StoredPlan, proofs: Sequence[SlotProof]
) -> None:
    """Keep the plan before the draw, unless another works on the arrangement by now."""
    if await _lock(stores.arrangements, held) is not None:
        await stores.seating.save_plan(held.arrangement_id, plan, proofs)


async def store_seats(
    stores: ArrangingStores,
    held: Lease,
    material: Material,
    drawn: DrawnSeats,
    *,
    now: datetime,
) -> None:
    """Store the seats and have them checked; nothing when another works on it by now.

    What was done before for the county and not published is discarded. Raises MaterialChanged,
    CheckFailed.
    """
    arrangement = await _lock(stores.arrangements, held)
    if arrangement is None:
        return
    await stores.seating.hold_rooms(arrangement.session_code)
    roster_sha256 = await _require_same(stores, arrangement, material)
    await stores.seating.replace_seats(held.arrangement_id, drawn.rows)
    await stores.arrangements.finish(
        held.arrangement_id,
        material.in_force,
        now,
        roster_sha256=roster_sha256,
        seats_sha256=drawn.sha256,
        counts=_counts(drawn),
    )
    if violations := await stores.seating.violations(held.arrangement_id):
        raise CheckFailed(violations)
    if older := await stores.arrangements.discard_older(held.arrangement_id):
        await stores.seating.forget(older)


async def _lock(store: ArrangementStore, held: Lease) -> Arrangement | None:
    arrangement = await store.lock(held.arrangement_id)
    is_ours = (
        arrangement is not None
        and arrangement.state is ArrangementState.RUNNING
        and arrangement.attempts == held.attempt
    )
    return arrangement if is_ours else None


async def _require_same(
    stores: ArrangingStores, arrangement: Arrangement, material: Material
) -> bytes:
    """The roster's digest, if all is as it was read."""
    county = (arrangement.session_code, arrangement.county_code)
    roster_sha256 = (await stores.seating.roster(*county)).sha256()
    now = material_digest(
        roster_sha256,
        await stores.seating.rooms(*county),
        await stores.arrangements.in_force(*county),
        keeps=material.published is not None,
    )
    if now != material.sha256():
        raise MaterialChanged
    return roster_sha256


def _counts(drawn: DrawnSeats) -> Counts:
    figures = vars(drawn.figures)
    return Counts(
        candidates=drawn.candidates,
        sittings=drawn.sittings,
        **{**figures, "gap_reason": figures["gap_reason"] or ""},
    )
