"""Registration's invariants, counted as an operator would."""

from typing import Any

from support.registration_server import RegistrationServer
from zikao.registration.v1.types_pb2 import Standing, Track
from zikao_ctl.invariants import PACKAGE
from zikao_kit.queries import Queries


async def violations(server: RegistrationServer) -> dict[str, int]:
    """Of registration's own rules, those that do not hold, with how often."""
    queries = Queries.load(PACKAGE)
    names = [name for name in queries.names() if name.startswith("registration_")]
    counts = {name: len(await server.rows(queries[name])) for name in names}
    return {name: count for name, count in counts.items() if count}


async def feed_violations(server: RegistrationServer, last: Any) -> int:
    """How often others know the one candidate there is otherwise; `last` is of the feed.

    What they know is put in place of their tables, which are in no database of these tests.
    """
    queries, names = Queries.load(PACKAGE), (Track.Name(last.track), Standing.Name(last.standing))
    track, standing = (name.partition("_")[2].lower() for name in names)
    enrollment = queries["feeds_enrollment_knows_every_candidate"].replace(
        "enrollment.candidate AS known",
        "(VALUES ($1::text::uuid, $2::text, $3::text)) AS known (candidate_id, track, standing)",
    )
    tickets = queries["feeds_tickets_knows_every_candidate"].replace(
        "tickets.candidate AS known",
        "(VALUES ($1::text::uuid, $2::text)) AS known (candidate_id, ticket_number)",
    )
    by_enrollment = await server.rows(enrollment, last.candidate_id, track, standing)
    by_tickets = await server.rows(tickets, last.candidate_id, last.ticket_number)
    return len(by_enrollment) + len(by_tickets)
