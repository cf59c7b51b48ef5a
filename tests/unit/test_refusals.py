"""Whether all refusals of the contracts were seen is judged by the contracts alone."""

from support.authorisation import methods_of
from support.refusals import missing

PORTAL = "zikao.enrollment.v1.PortalService.SubmitEnrollments"


def test_what_no_test_has_got_is_named() -> None:
    """Each reason of each method, those too that a list takes from another method's list."""
    nothing_seen = missing([])
    assert {f"{PORTAL} {reason}" for reason in ("INVALID_REQUEST", "SOLD_OUT")} < set(nothing_seen)
    for method in methods_of("zikao.enrollment.v1"):
        assert f"{method.full_name} INVALID_REQUEST" in nothing_seen
    pairs = [
        (method, reason) for method, _, reason in (each.partition(" ") for each in nothing_seen)
    ]
    assert missing(pairs) == []
    assert missing(pairs[1:]) == nothing_seen[:1]
