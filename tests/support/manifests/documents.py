"""Rendered manifests as values, and what is asked of them again and again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import yaml

Document: TypeAlias = dict[str, Any]
Documents: TypeAlias = Sequence[Document]

ROOT = Path(__file__).parents[3]
NAMESPACE = "zikao"
JOBS = ("Job", "CronJob")
WORKLOADS = ("Deployment", "StatefulSet", *JOBS)


def render_all(target: Path) -> None:
    """Do what `make manifests` does, into a folder."""
    script = ROOT / "scripts" / "manifests.py"
    subprocess.run([sys.executable, script, target], check=True, stdout=subprocess.PIPE)


def read_all(folder: Path) -> dict[str, list[Document]]:
    """What is in a folder of manifests, by a file's name without its ending."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return {
        path.stem: list(yaml.load_all(path.read_text(), loader)) for path in folder.glob("*.yaml")
    }


def of_kind(documents: Documents, *kinds: str) -> Iterator[Document]:
    """Those of some kinds."""
    return (document for document in documents if document["kind"] in kinds)


def named(documents: Documents, kind: str, name: str) -> Document:
    """The one of a kind with a name; KeyError when there is none."""
    for document in of_kind(documents, kind):
        if document["metadata"]["name"] == name:
            return document
    raise KeyError(f"{kind}/{name}")


def title(document: Document) -> str:
    """How a problem names it."""
    return f"{document['kind']}/{document['metadata']['name']}"


def workloads(documents: Documents) -> Iterator[Document]:
    """What has pods by itself; an operator's resources have theirs elsewhere."""
    return of_kind(documents, *WORKLOADS)


def is_job(workload: Document) -> bool:
    """Whether its pods end by themselves."""
    return workload["kind"] in JOBS


def _template(workload: Document) -> Document:
    whole: Document = workload["spec"]
    if workload["kind"] == "CronJob":
        whole = whole["jobTemplate"]["spec"]
    found: Document = whole["template"]
    return found


def pod(workload: Document) -> Document:
    """The specification of a workload's pods."""
    found: Document = _template(workload)["spec"]
    return found


def pod_labels(workload: Document) -> Mapping[str, str]:
    """What a workload's pods are labelled with."""
    found: Mapping[str, str] = _template(workload)["metadata"]["labels"]
    return found


def containers(workload: Document) -> list[Document]:
    """All of a pod, those that only begin it too."""
    spec = pod(workload)
    return [*spec.get("initContainers", []), *spec["containers"]]


def matches(selector: Document, labels: Mapping[str, str]) -> bool:
    """Whether a label selector (matchLabels, matchExpressions) takes what has these labels."""
    wanted = selector.get("matchLabels", {})
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(rule, labels) for rule in selector.get("matchExpressions", []))


def _holds(rule: Document, labels: Mapping[str, str]) -> bool:
    value = labels.get(rule["key"])
    match rule["operator"]:
        case "In":
            return value in rule["values"]
        case "NotIn":
            return value not in rule["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case other:
            raise ValueError(f"no such operator: {other}")


def mounted_files(workload: Document, container: Document) -> dict[str, tuple[str, str]]:
    """Path -> (kind/name, key) of every file that Secrets and ConfigMaps put into a container.

    A volume that does not list its keys is not in it.
    """
    files = {}
    volumes = {volume["name"]: volume for volume in pod(workload).get("volumes", [])}
    for mount in container.get("volumeMounts", []):
        for source, items in sources_of(volumes.get(mount["name"], {})):
            for item in items:
                files[f"{mount['mountPath']}/{item['path']}"] = (source, item["key"])
    return files


def sources_of(volume: Document) -> Iterator[tuple[str, list[Document]]]:
    """(kind/name, items) of each Secret and ConfigMap that a volume is made of."""
    for part in [volume, *volume.get("projected", {}).get("sources", [])]:
        for kind, found in (("Secret", part.get("secret")), ("ConfigMap", part.get("configMap"))):
            if found is not None:
                yield f"{kind}/{found.get('secretName') or found['name']}", found.get("items", [])
