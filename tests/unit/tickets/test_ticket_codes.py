"""Codes of many tickets read off paper, and forgeries refused; `make bench-tickets` takes 1,000."""

from dataclasses import replace

import pytest
from support.ticket_codes import (
    PAGE,
    SMALL_MM,
    TAMPERS,
    is_accepted,
    printed_pages,
    tampered,
    tickets,
)
from zikao_tickets.printing import TicketRenderer

MANY, PRINTED = 1000, 28


@pytest.fixture(scope="module")
def renderer() -> TicketRenderer:
    """The renderer of the default font stack."""
    return TicketRenderer()


def test_every_code_is_read_off_paper_and_verifies(renderer: TicketRenderer) -> None:
    """In one bit at 150 dpi, as printed (29 mm) and reduced to 25 mm."""
    coded = tickets(PRINTED)
    reads = printed_pages(renderer, [ticket.sheet() for ticket in coded])
    for ticket, read in zip(coded, reads, strict=True):
        assert (read.as_printed, read.small) == (ticket.text, ticket.text)
        assert read.printed_mm >= SMALL_MM
        assert is_accepted(read.as_printed)


def test_every_forgery_is_refused() -> None:
    """A thousand texts, made of a thousand good ones in seven ways: not one is accepted."""
    coded = tickets(MANY)
    assert all(is_accepted(ticket.text) for ticket in coded)
    made = list(tampered(coded))
    assert {name for name, _ in made} == set(TAMPERS)
    assert [name for name, text in made if is_accepted(text)] == []


def test_a_printed_forgery_is_read_and_refused(renderer: TicketRenderer) -> None:
    """Each way once more through the printer: what is read is the forged text."""
    texts = [text for _, text in tampered(tickets(len(TAMPERS), seed=1))]
    sheets = [replace(PAGE, qr_text=text) for text in texts]
    read = [each.as_printed for each in printed_pages(renderer, sheets)]
    assert read == texts
    assert [text for text in read if is_accepted(text)] == []


def test_the_tickets_differ_as_tickets_do() -> None:
    """One to four seats, one to three sites, both kinds and keys: what is measured is no copy."""
    coded = tickets(200)
    assert len({ticket.text for ticket in coded}) == 200
    assert {len(ticket.proof.sittings) for ticket in coded} == {1, 2, 3, 4}
    assert {len(ticket.proof.sites) for ticket in coded} == {1, 2, 3}
    assert len({ticket.proof.kind for ticket in coded}) == 2
    assert len({ticket.key_id for ticket in coded}) == 2
