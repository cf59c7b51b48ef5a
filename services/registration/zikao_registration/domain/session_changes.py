"""What changes when a session is applied again, and what may not (DOMAIN section 8)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from zikao_kit.china_time import readable
from zikao_kit.errors import SESSION_CHANGE_REFUSED, DomainError

from zikao_registration.domain.session import Session, Window

_LABELS_ZH = {
    "name": "考次名称",
    "registration_opens_at": "考生注册开始时间",
    "registration_closes_at": "考生注册结束时间",
    "material_closes_at": "证件材料截止时间",
    "review_closes_at": "审核与补正截止时间",
    "ticket_number_format": "准考证号格式",
    "ticket_number_session": "准考证号考次段",
    "activation": "激活准考证号时间",
    "profile_change": "考籍更改申请时间",
    "profile_changes_effective_at": "考籍更改生效时间",
    "enrollment": "课程报考时间",
    "four_eyes_percent": "复核比例（%）",
}


def changes_between(before: Session | None, after: Session) -> list[str]:
    """One Chinese sentence a change; empty when there is none."""
    if before is None:
        return [f"新增考次{after.code}：区县{len(after.counties)}个"]
    return [*_settings(before, after), *_counties(before.counties, after.counties)]


def require_harmless(
    before: Session, after: Session, *, used_counties: Collection[str], numbers_assigned: bool
) -> None:
    """Raise SESSION_CHANGE_REFUSED naming what candidates would lose.

    `used_counties` are those with registrations; `numbers_assigned` tells whether any
    ticket number of the session is out.
    """
    lost = sorted(set(used_counties) - set(after.counties))
    if lost:
        raise _refused(f"区县{'、'.join(lost)}已有考生注册")
    if numbers_assigned and _numbering(before) != _numbering(after):
        raise _refused("已按原格式编发准考证号")


def refuse_shared_digits(session: Session) -> DomainError:
    """The refusal of digits that another session's ticket numbers have."""
    return _refused(f"考次段{session.ticket_number_session}已由其他考次使用")


def require_changes_effective(after: Session) -> None:
    """Raise SESSION_CHANGE_REFUSED unless open profile changes will still take effect."""
    if after.profile_changes_effective_at is None:
        raise _refused("已有考籍更改申请，不能取消其生效时间")


def refuse_older_digits(session: Session) -> DomainError:
    """The refusal of digits that ticket numbers of older candidates have."""
    return _refused(f"考次段{session.ticket_number_session}已有往届考生使用")


def _settings(before: Session, after: Session) -> Iterator[str]:
    for field, label in _LABELS_ZH.items():
        old, new = getattr(before, field), getattr(after, field)
        if old != new:
            yield f"{label}由{_text(old)}改为{_text(new)}"


def _counties(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for code in sorted({*before, *after}):
        old, new = before.get(code), after.get(code)
        if old is None:
            yield f"新增区县{code}{new}"
        elif new is None:
            yield f"取消区县{code}{old}"
        elif old != new:
            yield f"区县{code}名称由{old}改为{new}"


def _numbering(session: Session) -> tuple[str, str]:
    return session.ticket_number_format, session.ticket_number_session


def _refused(detail: str) -> DomainError:
    return DomainError(SESSION_CHANGE_REFUSED, detail=detail)


def _text(value: object) -> str:
    if value is None or value == ():
        return "无"
    if isinstance(value, tuple):
        return "、".join(map(_text, value))
    if isinstance(value, Window):
        return f"{_text(value.opens_at)}至{_text(value.closes_at)}"
    if isinstance(value, datetime):
        return readable(value)
    return str(value)
