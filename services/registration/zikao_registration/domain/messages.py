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


def contact_changed_message(
    channel: Channel, recipient: str, expires_at: datetime
) -> OutgoingMessage:
    """Word to where the candidate was reached until now."""
    text = (
        "【自学考试】您账号的联系方式已更改，今后的消息不再发送到这里。"
        "如非本人操作，请立即修改密码并联系当地考试机构。"
    )
    return _message(channel, recipient, "联系方式已更改", text, expires_at)


def password_changed_message(
    channel: Channel, recipient: str, expires_at: datetime
) -> OutgoingMessage:
    """Word that the password is another now."""
    text = (
        "【自学考试】您账号的登录密码已重置，所有设备均已退出登录。"
        "如非本人操作，请立即联系当地考试机构。"
    )
    return _message(channel, recipient, "登录密码已重置", text, expires_at)


def _message(
    channel: Channel, recipient: str, subject: str, text: str, expires_at: datetime
) -> OutgoingMessage:
    return OutgoingMessage(
        uuid4(), channel, recipient, f"{_SUBJECT_ZH}：{subject}", text, expires_at
    )
