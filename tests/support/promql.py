"""Which metrics and labels a PromQL expression names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import promql_parser

# What Prometheus adds to whatever it scrapes, and the metric of its own that rules ask for.
OF_PROMETHEUS = frozenset({"job", "instance"})
UP = "up"
# What Grafana puts in place of its variables.
_VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$__interval": "1m"}
_PARTS = ("expr", "lhs", "rhs", "args", "vector_selector", "param")


@dataclass
class Names:
    """Matchers by metric name, each with its label and value; and the labels that group."""

    matchers: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    grouping: set[str] = field(default_factory=set)


def names_in(expression: str) -> Names:
    """What an expression names; raises ValueError for one that is none."""
    for variable, value in _VARIABLES.items():
        expression = expression.replace(variable, value)
    names = Names()
    for node in _nodes(promql_parser.parse(re.sub(r"\$\w+", "any", expression))):
        if isinstance(node, promql_parser.VectorSelector):
            found = [(each.name, each.value) for each in node.matchers.matchers]
            names.matchers.setdefault(node.name or "", []).extend(found)
        modifier = getattr(node, "modifier", None)
        grouping = getattr(modifier, "matching", None) or modifier
        names.grouping |= set(getattr(grouping, "labels", None) or ())
    return names


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for part in _PARTS:
        below = getattr(node, part, None)
        for each in below if isinstance(below, list) else [below]:
            if each is not None:
                yield from _nodes(each)


def wrong_names(expression: str, labels_of: Mapping[str, frozenset[str]]) -> list[str]:
    """What an expression names that is not there; `labels_of` has the labels of every series."""
    names = names_in(expression)
    wrong, all_labels = [], set(OF_PROMETHEUS)
    for metric, matchers in names.matchers.items():
        labels = labels_of.get(metric)
        if labels is None:
            wrong.append(metric)
            continue
        all_labels |= labels
        wrong += [f"{metric}.{name}" for name, _ in matchers if name not in labels | OF_PROMETHEUS]
    return wrong + sorted(names.grouping - all_labels)
