"""Whose data may be erased (DOMAIN section 7; PIPL art. 47: needed no more)."""

from __future__ import annotations

from zikao_kit.errors import DomainError

from zikao_registration.domain.registration import Registration
from zikao_registration.domain.states import STATE_NAMES_ZH, State

# Nobody has examined these, and nobody will.
ERASABLE = frozenset({State.DRAFT, State.ABANDONED})


def require_erasable(registration: Registration, *, had_ticket_number: bool) -> None:
    """Raise ERASURE_NOT_ALLOWED, saying in Chinese why the data must be kept."""
    if had_ticket_number or registration.ticket_number:
        raise _not_allowed("已编发准考证号，考籍档案须依法保存")
    if registration.state not in ERASABLE:
        raise _not_allowed(f"注册申请{STATE_NAMES_ZH[registration.state]}，审核尚未结束")


def _not_allowed(detail: str) -> DomainError:
    return DomainError("ERASURE_NOT_ALLOWED", detail=detail)
