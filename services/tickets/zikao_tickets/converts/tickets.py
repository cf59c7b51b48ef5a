"""Printed tickets as messages."""

from zikao.tickets.v1 import ticket_service_pb2

from zikao_tickets.domain.ticket import PrintedTickets, Ticket


def county_part_to_pb(
    printed: PrintedTickets, *, done: int, total: int
) -> ticket_service_pb2.StreamCountyTicketsResponse:
    """One part of a county's tickets."""
    return ticket_service_pb2.StreamCountyTicketsResponse(
        pdf=printed.pdf,
        ticket_numbers=[ticket.ticket_number for ticket in printed.tickets],
        unprintable=[
            ticket_service_pb2.UnprintableTicket(
                ticket_number=ticket.ticket_number, reason=refusal.reason
            )
            for ticket, refusal in printed.refused
        ],
        done=done,
        total=total,
    )


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
