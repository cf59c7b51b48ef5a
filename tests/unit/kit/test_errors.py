"""The error that commands raise."""

from datetime import timedelta

from zikao_kit.errors import DomainError, FieldProblem


def test_metadata_becomes_text() -> None:
    """Metadata goes over the wire as text, whatever it was."""
    error = DomainError("SEATS_TAKEN", county=510104, free=0)
    assert error.metadata == {"county": "510104", "free": "0"}


def test_text_names_reason_metadata_and_fields() -> None:
    """The text for logs shows reason, metadata and the names of bad fields, not their values."""
    error = DomainError(
        "INVALID_REQUEST",
        fields=[FieldProblem("mobile", "手机号码格式不正确")],
        retry_after=timedelta(seconds=1),
        part="contact",
    )
    assert str(error) == "INVALID_REQUEST (part=contact, mobile)"
    assert str(DomainError("NOT_FOUND")) == "NOT_FOUND"
