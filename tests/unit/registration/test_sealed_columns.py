"""What is declared for the rotation of the key is what the stores encrypt with."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from zikao_kit.reencryption import SealedColumn
from zikao_registration import answers
from zikao_registration.sealed_columns import SEALED
from zikao_registration.stores import (
    accounts,
    messages,
    older,
    profile_changes,
    provider_logins,
    recoveries,
    registrations,
    study_records,
)

ID = UUID(int=5)


CONTEXTS: dict[str, Callable[[Any], str]] = {
    "registration.signing_key.private_key_enc": accounts._key_context,
    "registration.account.login_name_enc": accounts._login_name_context,
    "registration.account.second_factor_enc": accounts._second_factor_context,
    "registration.candidate.personal_enc": registrations._personal_context,
    "registration.older_record.record_enc": older.record_context,
    "registration.older_photo.jpeg_enc": older.photo_context,
    "registration.profile_change.values_enc": profile_changes._values_context,
    "registration.profile_change.evidence_enc": profile_changes._evidence_context,
    "registration.standing_change.reason_enc": study_records._change_context,
    "registration.message.content_enc": messages._context,
    "registration.security_question.question_enc": recoveries._question_context,
    "registration.provider_login.secrets_enc": provider_logins._context,
    "registration.outbox.payload": registrations._outbox_context,
    "registration.idempotency.response": answers._context,
}
# Of these a whole rotation reads every row (test_registration_key_rotation).
READ_ELSEWHERE = {"registration.photo.jpeg_enc", "registration.identity_material.jpeg_enc"}


@pytest.mark.parametrize(
    "column", [column for column in SEALED if str(column) not in READ_ELSEWHERE], ids=str
)
def test_the_declared_context_is_the_stores(column: SealedColumn) -> None:
    """A blob encrypted anew under another context could never be read again."""
    key: Any = b"\1\2" if column.key == ("state_index",) else ID
    named = dict.fromkeys(column.key, key.hex() if isinstance(key, bytes) else str(key))
    assert column.context.format_map(named) == CONTEXTS[str(column)](key)
