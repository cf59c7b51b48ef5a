"""Every column with encrypted data, for the rotation of its key; a test compares the schema."""

from zikao_kit.reencryption import SealedColumn

SEALED = (
    SealedColumn(
        "registration.signing_key",
        "private_key_enc",
        ("key_id",),
        "registration.signing_key:{key_id}",
    ),
    SealedColumn(
        "registration.account",
        "login_name_enc",
        ("account_id",),
        "registration.account.login_name:{account_id}",
    ),
    SealedColumn(
        "registration.account",
        "second_factor_enc",
        ("account_id",),
        "registration.account.second_factor:{account_id}",
    ),
    SealedColumn(
        "registration.candidate",
        "personal_enc",
        ("candidate_id",),
        "registration.candidate.personal:{candidate_id}",
    ),
    SealedColumn(
        "registration.photo", "jpeg_enc", ("candidate_id",), "registration.photo:{candidate_id}"
    ),
    SealedColumn(
        "registration.identity_material",
        "jpeg_enc",
        ("candidate_id",),
        "registration.material:{candidate_id}",
    ),
    SealedColumn(
        "registration.older_record",
        "record_enc",
        ("ticket_number",),
        "registration.older_record:{ticket_number}",
    ),
    SealedColumn(
        "registration.older_photo",
        "jpeg_enc",
        ("ticket_number",),
        "registration.older_photo:{ticket_number}",
    ),
    SealedColumn(
        "registration.profile_change",
        "values_enc",
        ("change_id",),
        "registration.profile_change.values:{change_id}",
    ),
    SealedColumn(
        "registration.profile_change",
        "evidence_enc",
        ("change_id",),
        "registration.profile_change.evidence:{change_id}",
    ),
    SealedColumn(
        "registration.standing_change",
        "reason_enc",
        ("candidate_id", "position"),
        "registration.standing_change:{candidate_id}",
    ),
    SealedColumn(
        "registration.message", "content_enc", ("message_id",), "registration.message:{message_id}"
    ),
    SealedColumn(
        "registration.security_question",
        "question_enc",
        ("account_id",),
        "registration.security_question:{account_id}",
    ),
    SealedColumn(
        "registration.provider_login",
        "secrets_enc",
        ("state_index",),
        "registration.provider_login:{state_index}",
    ),
    SealedColumn(
        "registration.outbox",
        "payload",
        ("event_key", "position"),
        "registration.outbox:{event_key}",
    ),
    SealedColumn(
        "registration.idempotency",
        "response",
        ("actor", "request_id"),
        "registration.answer:{request_id}",
        wrapped=True,
    ),
)
