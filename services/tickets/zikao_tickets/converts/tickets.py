"""Printed tickets as messages."""

from zikao.tickets.v1 import ticket_service_pb2

from zikao_tickets.domain.ticket import Ticket


def printed_to_pb(
    ticket: Ticket, print_count: int, pdf: bytes = b""
) -> ticket_service_pb2.PrintTicketResponse:
    """One printed ticket; what is stored as the answer is without its bytes."""
    return ticket_service_pb2.PrintTicketResponse(
        pdf=pdf,
        version=ticket.version,
        serial=ticket.serial,
        proof=ticket.proof or "",
        print_count=print_count,
    )
