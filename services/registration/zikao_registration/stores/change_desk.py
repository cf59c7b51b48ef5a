"""Where profile changes and copies of one's data are worked on, in one transaction."""

from dataclasses import dataclass, replace
from datetime import datetime

from zikao_kit.tokens import Actor

from zikao_registration.domain.profile_changes import ChangeState, ProfileChange
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.profile_changes import ProfileChangeStore
from zikao_registration.stores.registrations import Store


@dataclass(frozen=True)
class ChangeDesk:
    """The stores of a running transaction, who acts and when."""

    store: Store
    changes: ProfileChangeStore
    older: OlderStore
    actor: Actor
    now: datetime

    async def move(
        self, change: ProfileChange, state: ChangeState, action: str, **more: object
    ) -> ProfileChange:
        """Audit a request's move to `state`; return it there."""
        ids = {"change_id": str(change.change_id)}
        before = ids | {"state": change.state}
        after = ids | {"state": state, **more}
        await self.store.audit(
            self.actor, action, self.now, change.candidate_id, before=before, after=after
        )
        return replace(change, state=state)
