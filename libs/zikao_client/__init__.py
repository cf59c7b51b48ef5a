"""The typed client of a zikao installation, for portals and other internal systems.

    async with ZikaoClient(Endpoints(...), CertFiles(...)) as zikao:
        answer = await patiently(
            lambda: zikao.enrollment.SubmitPlan(request, metadata=bearer(token))
        )

Methods are those of the contracts, asynchronous and typed. A call has a deadline also when
none is given; what may safely be repeated is repeated while a service restarts. What a service
says it has too much of is held back here, as the contract asks of callers (docs/request-flow.md).
"""

from zikao_client.calls import CallFailed, bearer, new_request_id, patiently
from zikao_client.client import Endpoints, ZikaoClient

__all__ = ["CallFailed", "Endpoints", "ZikaoClient", "bearer", "new_request_id", "patiently"]
