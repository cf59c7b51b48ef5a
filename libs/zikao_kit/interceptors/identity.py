"""Who calls: the name in the client certificate, and the access token beside it."""

from __future__ import annotations

from zikao_kit.errors import TOKEN_INVALID, DomainError
from zikao_kit.policy import MethodPolicy
from zikao_kit.tokens import Actor, TokenVerifier

_SCHEME = "bearer "


def identify(
    policy: MethodPolicy, verifier: TokenVerifier, authorization: str | None, caller: str
) -> Actor:
    """Return who acts in this call, admitted by the contract; raises as `MethodPolicy.admit`.

    A bad token is an error even where the caller's certificate would do, except
    where anyone may call: logging in again works with an expired token at hand.
    """
    if not policy.stated or authorization is None:
        return policy.admit(caller, None)
    try:
        bearer = verifier.verify(_token_in(authorization), caller)
    except DomainError:
        if not policy.anyone:
            raise
        return policy.admit(caller, None)
    return policy.admit(caller, bearer)


def _token_in(authorization: str) -> str:
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        raise DomainError(TOKEN_INVALID)
    return authorization[len(_SCHEME) :]
