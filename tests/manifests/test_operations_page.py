"""docs/operations.md and what it speaks of are the same."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

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


def commands_in(text: str) -> list[str]:
    """Commands of ours: lines of examples, spans of code, and what a pod is told to run."""
    text = text.replace("\\\n", " ")
    begin = r"(?:^ *(?:\.venv/bin/)?|`|-- )"
    lines = re.sub(r"`[^`\n]*\n[^`]*`", lambda span: span[0].replace("\n", " "), text)
    found = re.findall(begin + r"(zikao(?:-[a-z]+)? [a-z][^`\n#]*)", text, re.MULTILINE)
    # A span of code may go on in the next line; an example may not.
    spans = re.findall(r"`(zikao(?:-[a-z]+)? [a-z][^`#]*)`", lines)
    return [" ".join(command.split()) for command in dict.fromkeys((*found, *spans))]


def wrong_in(line: str) -> list[str]:
    """What a program would refuse of a command: subcommands, options, values, what is left out.

    A command without any option is only named; capitals and "…" stand for what is filled in.
    """
    programs: dict[str, click.Command] = {"zikao": zikao}
    programs |= {f"zikao-{name}": command for name, (_, _, command) in PROGRAMS.items()}
    words = line.split()
    command = programs[words.pop(0)]
    while isinstance(command, click.Group) and not _by_itself(command, words):
        found = command.get_command(click.Context(command), words[0]) if words else None
        if found is None:
            return [f"no command: {line}"]
        command = found
        words.pop(0)
    options = {name: each for each in command.params for name in each.opts}
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    problems = [f"no option {name}: {line}" for name in given - options.keys()]
    if given and "…" not in line:
        problems += [
            f"without {each.opts[0]}: {line}"
            for each in options.values()
            if isinstance(each, click.Option) and each.required and not given & set(each.opts)
        ]
    for name, value in pairwise(words):
        bound = options[name].type if name in options else None
        if isinstance(bound, click.IntRange | click.Choice) and not value.isupper():
            problems += _refused(bound, value, line)
    return problems


def _by_itself(group: click.Group, words: list[str]) -> bool:
    return group.invoke_without_command and (not words or words[0].startswith("-"))


def _refused(bound: click.ParamType[Any], value: str, line: str) -> list[str]:
    try:
        bound.convert(value, None, None)
    except click.BadParameter as error:
        return [f"{error.message}: {line}"]
    return []


def test_commands_that_are_named_exist() -> None:
    """Each command of ours in the page is one that its program takes, with all its words."""
    found = commands_in(PAGE)
    assert len(found) > 15
    assert [problem for line in found for problem in wrong_in(line)] == []


@pytest.mark.parametrize(
    "line",
    [
        "zikao rooms limit",
        "zikao room stop --session 22.1",
        "zikao room limit --session 22.1 --track social --per-second 0",
        "zikao room limit --session 22.1 --track art --hold",
        "zikao room limit --session 22.1 --hold",
        "zikao room limit --session 22.1 --track social --holds",
    ],
)
def test_a_command_that_is_refused_is_seen(line: str) -> None:
    """Negative control: each of these would have been an error at night."""
    assert commands_in(f"Then `{line}`, at once.") == [line]
    assert wrong_in(line)


def test_a_restored_database_is_found_by_everything(tmp_path: Path) -> None:
    """After the page's commands no file of a province names the cluster that is gone."""
    shutil.copytree(ROOT / "deploy" / "k8s", tmp_path / "deploy" / "k8s")
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    found = re.search(r"^ *(sed -i -E 's/zikao-db.*?pod\.yaml)$", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    old = re.compile(r"zikao-db(?![-\w])|zikao-db-ca")
    files = [
        path
        for path in (*tmp_path.rglob("*.yaml"), tmp_path / "scripts" / "roll_out")
        if not {"postgres", "kind"} & set(path.parts)
    ]
    assert sum(bool(old.search(path.read_text())) for path in files) >= 10
    subprocess.run(["bash", "-euc", found[1]], cwd=tmp_path, check=True)
    assert [path for path in files if old.search(path.read_text())] == []


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
