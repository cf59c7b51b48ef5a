"""docs/operations.md and what it speaks of are the same."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest
import yaml
from support.manifests.configuration import PROGRAMS
from support.manifests.documents import ROOT, Document, named
from zikao_ctl.main import main as zikao

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ALERTS = [
    rule["alert"]
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]


def anchor(heading: str) -> str:
    """How a heading is linked to."""
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


def headings(text: str) -> set[str]:
    """Anchors of a page."""
    return {anchor(found) for found in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_its_entry(alert: str) -> None:
    """Whoever is woken finds what to do under the alert's name."""
    assert f"\n### {alert}\n" in PAGE


def test_every_entry_of_an_alert_is_of_one_that_there_is() -> None:
    """No entry is left of an alert that has gone."""
    assert set(re.findall(r"^### (Zikao\w+)$", PAGE, re.MULTILINE)) == set(ALERTS)


def test_links_lead_somewhere() -> None:
    """Each link is to a page, and a heading of it, that exist."""
    for target in re.findall(r"\]\((?!https:)([^)]+)\)", PAGE):
        path, _, heading = target.partition("#")
        text = (ROOT / "docs" / path).read_text(encoding="utf-8") if path else PAGE
        assert not heading or heading in headings(text), target


def test_files_that_are_named_exist() -> None:
    """Each path of the repository in the page is there."""
    for path in re.findall(
        r"[` ]((?:deploy/k8s|deploy/prometheus|scripts|tests|examples)/?[\w./-]*\w)", PAGE
    ):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"`((?:base|components|overlays|settings)/[\w./-]*\w)`", PAGE):
        folder = ROOT / "deploy" / "k8s"
        assert (folder / path).exists() or (folder / "overlays/province" / path).exists(), path


# Where a command begins: a line of an example, a span of code, what a pod is told to run.
COMMAND = re.compile(r"(?:^ *(?:\.venv/bin/)?|`|-- )(zikao[a-z-]*) ([a-z][a-z-]*)", re.MULTILINE)


def test_commands_that_are_named_exist() -> None:
    """Each command of ours in the page is one of its program's."""
    programs: dict[str, click.Command] = {"zikao": zikao}
    programs |= {f"zikao-{name}": command for name, (_, _, command) in PROGRAMS.items()}
    found = COMMAND.findall(PAGE)
    assert len(found) > 15
    for program, word in found:
        command = programs[program]
        assert isinstance(command, click.Group)
        assert command.get_command(click.Context(command), word), f"{program} {word}"


def test_the_clusters_rules_are_those_of_prometheus() -> None:
    """The PrometheusRule is what scripts/prometheus_rule.py makes of deploy/prometheus."""
    subprocess.run([sys.executable, ROOT / "scripts/prometheus_rule.py", "--check"], check=True)


def test_every_dashboard_gets_into_the_cluster(rendered: dict[str, list[Document]]) -> None:
    """Each file of deploy/grafana is in the ConfigMap that Grafana's sidecar looks for."""
    found = named(rendered["overlay-province"], "ConfigMap", "zikao-dashboards")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["data"] == {
        path.name: path.read_text(encoding="utf-8") for path in ROOT.glob("deploy/grafana/*.json")
    }
