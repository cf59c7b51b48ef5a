"""Front and back of the candidate's document (DOMAIN section 3, Application)."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zikao_kit.tokens import Actor

from zikao_registration.domain.registration import Registration
from zikao_registration.domain.states import Action, State, next_state
from zikao_registration.stores.registrations import Store


async def require_material_open(store: Store, actor: Actor, now: datetime) -> None:
    """Refuse material before it is decoded; raises what `upload_material` would raise now."""
    registration = await store.get_registration(UUID(actor.subject))
    await _state_after(store, registration, now)


async def upload_material(store: Store, jpeg: bytes, *, actor: Actor, now: datetime) -> str:
    """Store cleaned material in place of the last; return the file name the system gives it.

    An officer who is looking at the last loses the lease: what is decided on has been seen.
    Raises DomainError NOT_FOUND, STATE_NOT_ALLOWED, CORRECTION_CLOSED.
    """
    before = await store.get_registration(UUID(actor.subject), for_update=True)
    state = await _state_after(store, before, now)
    await store.save_material(before.candidate_id, jpeg, now)
    changed = replace(before, state=state, has_material=True, updated_at=now)
    after = await store.update_registration(changed)
    await store.audit(
        actor,
        "upload_material",
        now,
        before.candidate_id,
        before={"has_material": before.has_material},
        after={"has_material": True},
    )
    return after.material_file_name


async def _state_after(store: Store, before: Registration, now: datetime) -> State:
    state = next_state(before.state, Action.ADD_MATERIAL)
    session = await store.sessions.load(before.session_code)
    session.require_material_open(before.state, now)
    return state
