"""The typed client of a zikao installation, for portals and other internal systems.

    async with ZikaoClient(Endpoints(...), CertFiles(...)) as zikao:
        answer = await patiently(
            lambda: zikao.enrollment.SubmitPlan(request, metadata=bearer(token))
        )

Methods are those of the contracts, asynchronous and typed. A call has a deadline also when
none is given; what may safely be repeated is repeated while a service restarts. What a service
says it has too much of is held back here, as the contract asks of callers (docs/request-flow.md).
`Login` keeps somebody's tokens, `following` goes on with a subscription. docs/client.md has a
whole program for each kind of system.
"""

from zikao_kit.config import CertFiles
from zikao_kit.errors import FieldProblem

from zikao_client.calls import CallFailed, bearer, new_request_id, patiently
from zikao_client.client import Endpoints, ZikaoClient
from zikao_client.following import following
from zikao_client.login import Login

__all__ = [
    "CallFailed",
    "CertFiles",
    "Endpoints",
    "FieldProblem",
    "Login",
    "ZikaoClient",
    "bearer",
    "following",
    "new_request_id",
    "patiently",
]
