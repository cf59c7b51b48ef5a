"""deploy/prometheus and deploy/grafana, against the metrics that docs/observability.md names.

That the page names what real processes expose is shown by tests/e2e/test_story.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from support.exposition import SUFFIXES, written
from support.promql import UP, names_in, wrong_names
from zikao_kit.metrics import ALIKE, SECONDS_BUCKETS

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
SEVERITIES = {"page", "ticket"}
FILES = ("alerts.yaml", "recording.yaml")
VALUES = {
    "grpc_code": {code.name for code in grpc.StatusCode},
    "grpc_type": {"unary", "server_stream", "client_stream", "bidi_stream"},
    "job": {"registration", "enrollment", "tickets"},
    "le": {str(float(bound)) for bound in SECONDS_BUCKETS},
}


def rules() -> list[dict[str, Any]]:
    """All rules of all files."""
    read = [yaml.safe_load((RULES / name).read_text(encoding="utf-8")) for name in FILES]
    return [rule for file in read for group in file["groups"] for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]


def labels_of() -> dict[str, frozenset[str]]:
    """The labels of every series there is: of the page's metrics, and of recorded ones."""
    found = {UP: frozenset[str]()}
    for metric in written().values():
        bucket = {"le"} if metric.kind == "histogram" else set()
        suffixes = SUFFIXES["histogram"] if bucket else ("",)
        for suffix in suffixes:
            found[metric.name + suffix] = metric.labels | bucket
    for rule in rules():
        if "record" in rule:
            found[rule["record"]] = frozenset(names_in(rule["expr"]).grouping)
    return found


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_name_what_there_is(rule: dict[str, Any]) -> None:
    """Each expression parses, and asks for metrics, labels and values that there are."""
    assert wrong_names(rule["expr"], labels_of()) == []
    matchers = [each for found in names_in(rule["expr"]).matchers.values() for each in found]
    for label, value in matchers:
        if label in VALUES:
            assert set(value.split("|")) <= VALUES[label]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_alerts_say_what_is_wrong_and_where_to_read_on(rule: dict[str, Any]) -> None:
    """Each has a severity, two sentences, and a place in operations.md under its own name."""
    assert rule["labels"]["severity"] in SEVERITIES
    said = rule["annotations"]
    assert said.keys() == {"summary", "description", "runbook_url"}
    assert said["runbook_url"] == f"docs/operations.md#{rule['alert'].lower()}"
    assert said["description"].endswith(".")
    known = labels_of()
    names = names_in(rule["expr"])
    given = names.grouping | {"job", "instance"}
    given |= {label for metric in names.matchers for label in known[metric]}
    used = set(re.findall(r"\$labels\.(\w+)", " ".join(said.values())))
    assert used <= given


def panels(path: Path) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard, without its rows."""
    for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
        if panel["type"] != "row":
            yield panel


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_show_what_there_is(path: Path) -> None:
    """Each query parses, and asks for metrics, labels and values that there are; so do legends."""
    known = labels_of()
    for panel in panels(path):
        for target in panel["targets"]:
            wrong = wrong_names(target["expr"], known)
            assert (panel["title"], wrong) == (panel["title"], [])
            names = names_in(target["expr"])
            for label, value in (each for found in names.matchers.values() for each in found):
                if label in VALUES:
                    assert set(value.split("|")) <= VALUES[label]
            given = names.grouping or {"job", "instance"}.union(
                *map(known.__getitem__, names.matchers)
            )
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= given


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_can_be_imported_anywhere(path: Path) -> None:
    """Any Prometheus can be chosen; each panel has a unit, a sentence, a place of its own."""
    board = json.loads(path.read_text(encoding="utf-8"))
    assert board["templating"]["list"][0]["type"] == "datasource"
    sources = re.findall(r'"uid": "([^"]*)"', path.read_text(encoding="utf-8"))
    assert set(sources) == {"${datasource}", board["uid"]}
    assert re.fullmatch(r"[a-z-]{1,40}", board["uid"])
    asked = {name for each in board["templating"]["list"] for name in [each["name"]]}
    queries = [target["expr"] for panel in panels(path) for target in panel["targets"]]
    own = {"__rate_interval"}
    assert set(re.findall(r"\$(\w+)", " ".join(queries))) <= asked | own
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        fields = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not taken & fields
        assert max(x for x, _ in fields) < 24
        taken |= fields
    for panel in panels(path):
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["description"].endswith(".")
        assert panel["targets"]


def test_dashboards_have_ids_of_their_own() -> None:
    """None takes the place of another."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in DASHBOARDS]
    assert {board["uid"] for board in found} == {
        "zikao-rush",
        "zikao-money",
        "zikao-review",
        "zikao-tickets",
    }
    assert len({board["title"] for board in found}) == len(found)


def test_alert_names_are_unique() -> None:
    """A silence for one silences no other."""
    names = [rule["alert"] for rule in ALERTS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_what_replicas_show_alike_is_never_added_up(rule: dict[str, Any]) -> None:
    """Twice as many replicas are not twice as many refunds."""
    alike = {name for name, metric in written().items() if ALIKE in metric.says}
    for metric in names_in(rule["expr"]).matchers.keys() & alike:
        assert re.search(rf"(max|min)( by \([^)]*\))? ?\({metric}", rule["expr"])


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("sum by (job) (rate(grpc_server_handled_total[5m]))", []),
        ("sum by (jobb) (rate(grpc_server_handled_total[5m]))", ["jobb"]),
        ("rate(grpc_server_handled[5m]) > 0", ["grpc_server_handled"]),
        ('grpc_server_handled_total{code="OK"}', ["grpc_server_handled_total.code"]),
        ("zikao_feed_lag_seconds > on (jobs) up", ["jobs"]),
        ("max_over_time(up[5m:1m]) + topk(3, zikao_gone)", ["zikao_gone"]),
    ],
)
def test_what_is_not_there_is_seen(expression: str, wrong: list[str]) -> None:
    """Negative control: misspelt metrics and labels are found wherever they stand."""
    assert wrong_names(expression, labels_of()) == wrong


def test_what_is_no_expression_is_seen() -> None:
    """Negative control: half an expression does not parse."""
    with pytest.raises(ValueError, match="parenthesis"):
        names_in("sum(rate(up[5m])")
