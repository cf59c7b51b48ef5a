"""What lists show of a person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao_kit.masking import (
    mask_document,
    mask_mobile,
    mask_name,
)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("510000199001010011", "510000********0011"),
        ("ABC123456789012", "ABC123*****9012"),
        ("H12345678", "H1*****78"),
        ("12345678", "12****78"),
        ("123", "***"),
        ("", ""),
    ],
)
def test_documents_keep_their_ends(number: str, shown: str) -> None:
    """An office recognises a document that it has before it; nobody can use what is shown."""
    assert mask_document(number) == shown


def test_names_and_mobiles() -> None:
    """A name keeps its first character and hides its length; a mobile number its middle."""
    assert mask_name("阿依古丽·买买提") == "阿****"
    assert mask_name("李四") == "李****"
    assert mask_name("") == ""
    assert mask_mobile("13812345678") == "138****5678"
    assert mask_mobile("") == ""


@given(st.text(alphabet="0123456789X", min_size=1, max_size=40))
def test_something_is_always_hidden(number: str) -> None:
    """No number, however long, is shown whole, and its length stays."""
    for shown in (mask_document(number), mask_mobile(number)):
        assert "*" in shown
        assert len(shown) == len(number)
