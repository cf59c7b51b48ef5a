"""Makes the cluster's PrometheusRule from Prometheus' own rule files (`--check` only compares)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "deploy" / "prometheus"
TARGET = ROOT / "deploy" / "k8s" / "components" / "monitoring" / "rules.yaml"
HEAD = "# Made from deploy/prometheus by scripts/prometheus_rule.py: change it there.\n"


def main() -> int:
    """Write the file; with --check, 1 when it differs."""
    text = HEAD + yaml.safe_dump(rule(), sort_keys=False, allow_unicode=True, width=100)
    if "--check" not in sys.argv:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{TARGET} is not what deploy/prometheus says: run {Path(__file__).name}\n")
    return 1


def rule() -> dict[str, Any]:
    """All groups of all files, as the Prometheus operator wants them."""
    groups = [
        group
        for path in sorted(SOURCES.glob("*.yaml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    ]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "zikao", "namespace": "zikao"},
        "spec": {"groups": groups},
    }


if __name__ == "__main__":
    raise SystemExit(main())
