"""Registration's invariants, counted as an operator would."""

from support.registration_server import RegistrationServer
from zikao_ctl.invariants import PACKAGE
from zikao_kit.queries import Queries


async def violations(server: RegistrationServer) -> dict[str, int]:
    """Of registration's own rules, those that do not hold, with how often."""
    queries = Queries.load(PACKAGE)
    names = [name for name in queries.names() if name.startswith("registration_")]
    counts = {name: (await server.rows(queries[name]))[0][0] for name in names}
    return {name: count for name, count in counts.items() if count}
