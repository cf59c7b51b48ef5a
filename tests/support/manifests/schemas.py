"""Whether a document is what its API says, without a cluster.

Kubernetes' own kinds: the schemas of kubernetes-validate, strict. cert-manager, KEDA and the
Prometheus operator: the models of cloudcoil, which are made from their CRDs; made strict here.
CloudNativePG, its Barman plugin, the Gateway API and k6: tests/manifests/schemas, written by hand
with the fields in use.
"""

from __future__ import annotations

import functools
import importlib
import json
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator
from support.manifests.documents import ROOT, Document, title

# The oldest whose preStop may sleep without a shell, and the newest that is known.
KUBERNETES = ("1.30", "1.34")
MODELS = {
    "cert-manager.io/v1": "cloudcoil.models.cert_manager.v1",
    "keda.sh/v1alpha1": "cloudcoil.models.keda.v1alpha1",
    "monitoring.coreos.com/v1": "cloudcoil.models.prometheus_operator.v1",
}
CONDITIONS = ("if", "then", "else")
OWN = ROOT / "tests" / "manifests" / "schemas"


def problems_of(document: Document) -> list[str]:
    """What is wrong with a document; nothing when it is right. A kind without a schema is wrong."""
    return _problems_of(json.dumps(document, sort_keys=True))


@functools.cache
def _problems_of(text: str) -> list[str]:
    """Renders have most documents in common."""
    document: Document = json.loads(text)
    api, kind = document["apiVersion"], document["kind"]
    if schema := _own(api).get(kind):
        return _against(schema, document)
    if api in MODELS:
        return _against(_modelled(api, kind), document)
    return _against_kubernetes(document)


def strict(schema: Any) -> Any:
    """A JSON schema that takes no field that it does not name."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    # A condition looks at some fields and says nothing of the others.
    tight = {key: value if key in CONDITIONS else strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        tight["additionalProperties"] = False
    return tight


def _against(schema: Document, document: Document) -> list[str]:
    return [
        f"{title(document)}: {error.json_path}: {error.message}"
        for error in Draft202012Validator(schema).iter_errors(document)
    ]


def _against_kubernetes(document: Document) -> list[str]:
    problems = []
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            problems.append(f"{title(document)}: {version}: {error.json_path}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            problems.append(f"{title(document)}: {error.message}")
    return problems


@functools.cache
def _own(api: str) -> dict[str, Document]:
    kinds: dict[str, Document] = {}
    for path in OWN.glob("*.yaml"):
        for part in yaml.safe_load_all(path.read_text()):
            if part["apiVersion"] == api:
                kinds |= {kind: _whole(part, kind) for kind in part["kinds"]}
    return kinds


def _whole(part: Document, kind: str) -> Document:
    head = {
        "apiVersion": {"const": part["apiVersion"]},
        "kind": {"const": kind},
        "metadata": {"type": "object"},
        "spec": part["kinds"][kind],
    }
    required = list(head)
    schema = {"type": "object", "required": required, "properties": head}
    whole: Document = strict(schema | {"$defs": part.get("$defs", {})})
    return whole


@functools.cache
def _modelled(api: str, kind: str) -> Document:
    model = getattr(importlib.import_module(MODELS[api]), kind, None)
    if model is None:
        return {"not": {}}
    schema: Document = strict(model.model_json_schema(by_alias=True))
    return schema
