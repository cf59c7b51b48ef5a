"""What is written to candidates by e-mail or SMS (DOMAIN section 3, Recovery).

A text names its purpose and nobody: neither names nor numbers travel in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

_SUBJECT_ZH = "自学考试考生服务"


class Channel(StrEnum):
    """How a message travels."""

    EMAIL = "email"
    SMS = "sms"


class Notice(StrEnum):
    """What a candidate is told of, in case that it was somebody else."""

    CONTACT_CHANGED = "contact_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a notice
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a notice
    QUESTION_SET = "question_set"


_NOTICES_ZH = {
    Notice.CONTACT_CHANGED: (
        "联系方式已更改",
        "您账号的联系方式已更改，今后的消息不再发送到这里。"
        "如非本人操作，请立即修改密码并联系当地考试机构。",
    ),
    Notice.PASSWORD_CHANGED: (
        "登录密码已修改",
        "您账号的登录密码已修改，其他设备均已退出登录。如非本人操作，请立即联系当地考试机构。",
    ),
    Notice.PASSWORD_RESET: (
        "登录密码已重置",
        "您账号的登录密码已重置，所有设备均已退出登录。如非本人操作，请立即联系当地考试机构。",
    ),
    Notice.QUESTION_SET: (
        "密保问题已设置",
        "您账号的密保问题已设置，可用于找回密码。如非本人操作，请立即修改密码并重新设置密保问题。",
    ),
}


class NotSent(Exception):  # noqa: N818 - it is what happened
    """A message was not taken; `final`: nor will it be. The text is free of personal data."""

    def __init__(self, cause: str, *, final: bool = False) -> None:
        super().__init__(cause)
        self.final = final


@dataclass(frozen=True)
class OutgoingMessage:
    """A message to hand over until it expires; one to nobody ("") is never sent."""

    message_id: UUID
    channel: Channel
    recipient: str
    subject: str
    text: str
    expires_at: datetime


def code_message(
    channel: Channel, recipient: str, code: str, minutes: int, expires_at: datetime
) -> OutgoingMessage:
    """The one-time code of somebody who has forgotten the password."""
    text = (
        f"【自学考试】您正在找回登录密码，验证码为{code}，{minutes}分钟内有效。"
        "请勿告诉他人；如非本人操作，请忽略本消息。"
    )
    return _message(channel, recipient, "找回密码验证码", text, expires_at)


def notice_message(
    notice: Notice, channel: Channel, recipient: str, expires_at: datetime
) -> OutgoingMessage:
    """Word that something of an account is not what it was."""
    subject, text = _NOTICES_ZH[notice]
    return _message(channel, recipient, subject, f"【自学考试】{text}", expires_at)


def _message(
    channel: Channel, recipient: str, subject: str, text: str, expires_at: datetime
) -> OutgoingMessage:
    return OutgoingMessage(
        uuid4(), channel, recipient, f"{_SUBJECT_ZH}：{subject}", text, expires_at
    )
