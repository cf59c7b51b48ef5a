"""What offices do here; how it waits for a second officer is the kit's part (DOMAIN section 7)."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from zikao_kit import office_acts
from zikao_kit.office_acts import Act

OfficeAction = office_acts.OfficeAction[Act]
Proposal = office_acts.Proposal[Act]

# Acts that are felt in every session: what one of them asks for two officers for, all do.
EVERYWHERE = frozenset({"supply_glyph"})


class Effect(NamedTuple):
    """What an act changes, or would: before and after, for the audit.

    `needs_second` False: one officer is enough for it, whatever the session says.
    """

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    needs_second: bool = True


class Order(NamedTuple):
    """To do what is proposed, or, with `dry_run`, to see only whether it could be done.

    `proposed_by` is whose proposal `officer` confirms; empty for who acts alone.
    """

    proposal: Proposal
    officer: str
    now: datetime
    dry_run: bool
    proposed_by: str = ""

    @property
    def author(self) -> str:
        """Who wanted it."""
        return self.proposed_by or self.officer


Handler = Callable[[Order], Awaitable[Effect]]
"""Carries out the acts of one name, in the running transaction; raises DomainError."""
