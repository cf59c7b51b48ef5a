"""What every pod must be: bounded, unprivileged, watched. A check returns what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from support.manifests.documents import (
    Document,
    Documents,
    containers,
    is_job,
    of_kind,
    pod,
    title,
    workloads,
)

ADMIN_PORT = 7180
LIVENESS = "liveness"
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
# Beyond this a tag is none: `latest` moves, and so does nothing at all.
_IMAGE = re.compile(r"[a-z0-9][a-z0-9./_-]*(:(?P<tag>[\w.-]+))?(@sha256:[0-9a-f]{64})?")
_UNITS = {"m": Decimal("0.001"), "": Decimal(1)}
_UNITS |= {unit: Decimal(2**power) for unit, power in (("Ki", 10), ("Mi", 20), ("Gi", 30))}
_QUANTITY = re.compile(r"(?P<number>[0-9.]+)(?P<unit>m|Ki|Mi|Gi|)")


def amount(quantity: str | int) -> Decimal:
    """A quantity of Kubernetes as a number; ValueError for one that is none."""
    found = _QUANTITY.fullmatch(str(quantity))
    if found is None:
        raise ValueError(f"no quantity: {quantity}")
    return Decimal(found["number"]) * _UNITS[found["unit"]]


def _each(documents: Documents) -> Iterator[tuple[str, Document, Document]]:
    for workload in workloads(documents):
        for container in containers(workload):
            yield f"{title(workload)}/{container['name']}", workload, container


def images_are_named(documents: Documents) -> list[str]:
    """Every image has a tag or a digest, and none is `latest`."""
    images = [(where, container.get("image", "")) for where, _, container in _each(documents)]
    images += [
        (title(cluster), cluster["spec"].get("imageName", "operator's:own"))
        for cluster in of_kind(documents, "Cluster")
    ]
    images += [
        (f"{title(pooler)}/{container['name']}", container.get("image", "operator's:own"))
        for pooler in of_kind(documents, "Pooler")
        for container in pod(pooler)["containers"]
    ]
    return [f"{where}: {image or 'no image'}" for where, image in images if not _is_fixed(image)]


def pulled_from_one_registry(documents: Documents) -> list[str]:
    """Every image is fetched from the same registry, with the password of one Secret.

    What a pod does not say its account says, and what an operator starts its resource.
    """
    secrets: dict[str, list[str]] = {}
    for account in of_kind(documents, "ServiceAccount"):
        secrets[title(account)] = _pull_secrets(account)
    for cluster in of_kind(documents, "Cluster"):
        secrets[title(cluster)] = _pull_secrets(cluster["spec"])
    for pooler in of_kind(documents, "Pooler"):
        secrets[title(pooler)] = _pull_secrets(pod(pooler))
    images = [container["image"] for _, _, container in _each(documents)]
    images += [one["spec"].get("imageName", "") for one in of_kind(documents, "Cluster")]
    images += [
        container.get("image", "")
        for pooler in of_kind(documents, "Pooler")
        for container in pod(pooler)["containers"]
    ]
    hosts = {image.partition("/")[0] for image in images}
    wanted = next(iter(secrets.values()), [])
    problems = [f"{where}: {names}" for where, names in secrets.items() if names != wanted]
    return problems if wanted and len(hosts) == 1 else [*problems, f"from {sorted(hosts)}"]


def _pull_secrets(place: Document) -> list[str]:
    return [one["name"] for one in place.get("imagePullSecrets", [])]


def _is_fixed(image: str) -> bool:
    found = _IMAGE.fullmatch(image.replace("operator's", "operator"))
    return found is not None and found["tag"] != "latest" and ("@" in image or bool(found["tag"]))


def bounded(documents: Documents) -> list[str]:
    """CPU and memory are asked for and bounded; of memory no more is promised than there is."""
    problems = []
    for where, _, container in _each(documents):
        resources = container.get("resources", {})
        requests, limits = resources.get("requests", {}), resources.get("limits", {})
        missing = [kind for kind in ("cpu", "memory") if not (kind in requests and kind in limits)]
        problems += [f"{where}: no bound of {kind}" for kind in missing]
        if not missing and any(amount(requests[k]) > amount(limits[k]) for k in ("cpu", "memory")):
            problems.append(f"{where}: more asked for than allowed")
    return problems


def restricted(documents: Documents) -> list[str]:
    """The Pod Security Standard `restricted`, and a root file system that nobody writes."""
    problems = []
    for workload in workloads(documents):
        context = pod(workload).get("securityContext", {})
        wanted = {
            "runAsNonRoot": context.get("runAsNonRoot") is True,
            "runAsUser": context.get("runAsUser", 0) > 0,
            "runAsGroup": context.get("runAsGroup", 0) > 0,
            "seccompProfile": context.get("seccompProfile", {}).get("type") == "RuntimeDefault",
        }
        problems += [f"{title(workload)}: {name}" for name, holds in wanted.items() if not holds]
    for where, _, container in _each(documents):
        context = container.get("securityContext", {})
        wanted = {
            "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation") is False,
            "readOnlyRootFilesystem": context.get("readOnlyRootFilesystem") is True,
            "capabilities": context.get("capabilities", {}) == {"drop": ["ALL"]},
            "privileged": not context.get("privileged"),
            "runAsUser": context.get("runAsUser", 1) > 0,
            "seccompProfile": context.get("seccompProfile", {}).get("type") != "Unconfined",
        }
        problems += [f"{where}: {name}" for name, holds in wanted.items() if not holds]
    return problems


def off_the_host(documents: Documents) -> list[str]:
    """Nothing of the node is shared: no network, no processes, no paths, no ports."""
    problems = [
        f"{title(workload)}: {key}"
        for workload in workloads(documents)
        for key in ("hostNetwork", "hostPID", "hostIPC")
        if pod(workload).get(key)
    ]
    problems += [
        f"{title(workload)}: hostPath {volume['hostPath']}"
        for workload in workloads(documents)
        for volume in pod(workload).get("volumes", [])
        if "hostPath" in volume
    ]
    return problems + [
        f"{where}: hostPort {port['hostPort']}"
        for where, _, container in _each(documents)
        for port in container.get("ports", [])
        if "hostPort" in port
    ]


def accounts(documents: Documents) -> list[str]:
    """Each has an account of its own that exists, and no token of the cluster."""
    known = {account["metadata"]["name"] for account in of_kind(documents, "ServiceAccount")}
    problems = [
        f"{title(account)}: its token is mounted"
        for account in of_kind(documents, "ServiceAccount")
        if account.get("automountServiceAccountToken") is not False
    ]
    for workload in workloads(documents):
        if pod(workload).get("automountServiceAccountToken") is not False:
            problems.append(f"{title(workload)}: its token is mounted")
        if pod(workload).get("serviceAccountName") not in known:
            problems.append(f"{title(workload)}: an account that is not there")
    return problems


def ports_are_named(documents: Documents) -> list[str]:
    """Every port has a name, once a pod: rules and monitors go by names."""
    problems = []
    for where, _, container in _each(documents):
        names = [port.get("name", "") for port in container.get("ports", [])]
        if "" in names or len(set(names)) != len(names):
            problems.append(f"{where}: ports {names}")
    return problems


def probed(documents: Documents) -> list[str]:
    """A Deployment answers three probes on its admin port; only the second looks at its work.

    What waits for a database, or drains, is not ready, and alive. A StatefulSet has the three, too.
    """
    problems = []
    for where, workload, container in _each(documents):
        if is_job(workload):
            continue
        missing = [name for name in PROBES if name not in container]
        problems += [f"{where}: no {name}" for name in missing]
        if workload["kind"] == "Deployment" and not missing:
            problems += [f"{where}: {problem}" for problem in _wrong_probes(container)]
    return problems


def _wrong_probes(container: Document) -> Iterator[str]:
    listening = {port["containerPort"] for port in container.get("ports", [])}
    for name in PROBES:
        grpc = container[name].get("grpc", {})
        if grpc.get("port") != ADMIN_PORT or ADMIN_PORT not in listening:
            yield f"{name} asks port {grpc.get('port')}"
        wanted = "" if name == "readinessProbe" else LIVENESS
        if grpc.get("service", "") != wanted:
            yield f"{name} asks for {grpc.get('service', '')!r}"


def patient_start(documents: Documents) -> list[str]:
    """A process has two minutes to begin, and half a minute to answer, before it is killed."""
    problems = []
    for where, workload, container in _each(documents):
        if is_job(workload) or not all(name in container for name in PROBES):
            continue
        for name, least in (("startupProbe", 120), ("livenessProbe", 30)):
            probe = container[name]
            if probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3) < least:
                problems.append(f"{where}: {name} is over before {least} s")
    return problems


def volumes(documents: Documents) -> list[str]:
    """What is written is memory or a claim, and bounded; Secrets are whole folders, no variables.

    A subPath would keep a certificate from being renewed in a running pod.
    """
    problems = []
    for where, workload, container in _each(documents):
        known = {volume["name"]: volume for volume in pod(workload).get("volumes", [])}
        claims = workload["spec"].get("volumeClaimTemplates", [])
        claimed = {claim["metadata"]["name"] for claim in claims}
        for mount in container.get("volumeMounts", []):
            name = mount["name"]
            if name not in known and name not in claimed:
                problems.append(f"{where}: no volume {name}")
            if "subPath" in mount or "subPathExpr" in mount:
                problems.append(f"{where}: {name} by a subPath")
            if name in known and not mount.get("readOnly") and "emptyDir" not in known[name]:
                problems.append(f"{where}: {name} can be written")
        problems += [
            f"{where}: a secret in the variable {variable['name']}"
            for variable in container.get("env", [])
            if "secretKeyRef" in variable.get("valueFrom", {})
        ]
        problems += [f"{where}: envFrom" for _ in container.get("envFrom", [])]
    return problems + [
        f"{title(workload)}: {volume['name']} has no bound"
        for workload in workloads(documents)
        for volume in pod(workload).get("volumes", [])
        if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {})
    ]


def no_secret_in_clear(documents: Documents) -> list[str]:
    """No Secret is rendered, and no password, key or connection string stands anywhere."""
    problems = [f"{title(secret)}: a Secret" for secret in of_kind(documents, "Secret")]
    for document in documents:
        problems += [f"{title(document)}: {where}" for where in _secrets_in(document)]
    return problems


_LOOKS_SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|[a-z]+://[^/\s:@]+:[^/\s@]+@|\beyJ[\w-]{10,}\.[\w-]+\.",
    re.MULTILINE,
)
_SECRET_NAME = re.compile(r"(^|_|-)(password|passwd|secret|token|api_?key|dsn)$", re.IGNORECASE)


def _secrets_in(value: object, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        if "name" in value and isinstance(value.get("value"), str):
            yield from _secrets_in(value["value"], str(value["name"]))
        for key, part in value.items():
            yield from _secrets_in(part, str(key))
    elif isinstance(value, list):
        for part in value:
            yield from _secrets_in(part)
    elif isinstance(value, str):
        if _LOOKS_SECRET.search(value) or (_SECRET_NAME.search(name) and value):
            yield f"{name} looks like a secret"
        for line in value.splitlines() if "\n" in value else ():
            key, _, rest = line.partition(":")
            if _SECRET_NAME.search(key.strip()) and rest.strip() and not key.startswith("#"):
                yield f"{name}: {key.strip()} looks like a secret"
