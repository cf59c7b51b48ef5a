"""Every column with encrypted data, for the rotation of its key; a test compares the schema."""

from zikao_kit.reencryption import SealedColumn

SEALED = (
    SealedColumn(
        "tickets.candidate",
        "personal_enc",
        ("candidate_id",),
        "tickets.candidate.personal:{candidate_id}",
    ),
    SealedColumn(
        "tickets.photo", "jpeg_enc", ("candidate_id", "sha256"), "tickets.photo:{candidate_id}"
    ),
    SealedColumn(
        "tickets.arrangement",
        "seed_enc",
        ("arrangement_id",),
        "tickets.arrangement.seed:{arrangement_id}",
    ),
    SealedColumn(
        "tickets.ticket",
        "personal_enc",
        ("session_code", "candidate_id", "version"),
        "tickets.candidate.personal:{candidate_id}",
    ),
    SealedColumn(
        "tickets.document_part",
        "growth_enc",
        ("document_id", "part"),
        "tickets.document_part.growth:{document_id}:{part}",
    ),
    SealedColumn("tickets.proof_key", "private_key_enc", ("key_id",), "tickets.proof_key:{key_id}"),
)
