"""Whether the services stay there: rollouts, drains, spread, scaling, and what finds them."""

from __future__ import annotations

from collections.abc import Iterator

from support.manifests.configuration import server_of
from support.manifests.documents import (
    NAMESPACE,
    Document,
    Documents,
    containers,
    is_job,
    matches,
    of_kind,
    pod,
    pod_labels,
    title,
    workloads,
)
from support.services import SERVICES
from zikao_kit.config import ServerConfig
from zikao_kit.db import CLOSE_SECONDS

SERVICE_LABEL = "app.kubernetes.io/name"
STEP = "zikao/step"
# What CoreDNS of a cluster (kubeadm's) and NodeLocal DNSCache keep a name for at most.
DNS_TTL_SECONDS = 30
CLUSTER_WIDE = ("Namespace", "PriorityClass")
PROFILE = "pod-security.kubernetes.io/"


def namespace_is_restricted(documents: Documents) -> list[str]:
    """Everything is in one namespace, which takes only pods that are restricted."""
    problems = [
        f"{title(document)}: in {document['metadata'].get('namespace')}"
        for document in documents
        if document["kind"] not in CLUSTER_WIDE
        and document["metadata"].get("namespace") != NAMESPACE
    ]
    for space in of_kind(documents, "Namespace"):
        labels = space["metadata"].get("labels", {})
        for mode in ("enforce", "audit", "warn"):
            if labels.get(PROFILE + mode) != "restricted":
                problems.append(f"{title(space)}: {mode} is {labels.get(PROFILE + mode)}")
    return problems


def deployments(documents: Documents) -> Iterator[Document]:
    """The three services'; others that an overlay has for trying are not held to staying there."""
    return (one for one in of_kind(documents, "Deployment") if one["metadata"]["name"] in SERVICES)


def rolls_without_a_gap(documents: Documents) -> list[str]:
    """A new pod serves before an old one goes."""
    problems = []
    for deployment in deployments(documents):
        rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate", {})
        if rolling.get("maxUnavailable") != 0 or rolling.get("maxSurge") in (None, 0, "0%"):
            problems.append(f"{title(deployment)}: {rolling}")
    return problems


def known_before_old_ones_go(documents: Documents) -> list[str]:
    """A new pod is ready for as long as names live in DNS, and an old one drains, before one goes.

    Clients ask DNS anew when connections end. Who then hears of old pods alone would find none.
    """
    problems = []
    for deployment in deployments(documents):
        spec = deployment["spec"]
        pause = containers(deployment)[0].get("lifecycle", {}).get("preStop", {}).get("sleep", {})
        drained = pause.get("seconds", 0) + server_of(documents, deployment).drain_wait_seconds
        ready = spec.get("minReadySeconds", 0)
        if ready < DNS_TTL_SECONDS + drained:
            problems.append(f"{title(deployment)}: goes on {ready} s after a pod is ready")
        startup = containers(deployment)[0]["startupProbe"]
        start = startup["periodSeconds"] * startup["failureThreshold"]
        if spec.get("progressDeadlineSeconds", 600) < 2 * (start + ready):
            problems.append(f"{title(deployment)}: given up while a pod begins")
    return problems


def grace_is_enough(documents: Documents) -> list[str]:
    """preStop, drain_wait_seconds, drain_grace_seconds and the pool's end fit into the pod's grace.

    What has not ended by then is killed with the calls that it has.
    """
    problems = []
    for deployment in deployments(documents):
        server: ServerConfig = server_of(documents, deployment)
        stop = containers(deployment)[0].get("lifecycle", {}).get("preStop", {})
        pause = stop.get("sleep", {}).get("seconds", 0)
        needed = pause + server.drain_wait_seconds + server.drain_grace_seconds + CLOSE_SECONDS
        grace = pod(deployment).get("terminationGracePeriodSeconds", 30)
        if not pause:
            problems.append(f"{title(deployment)}: no preStop, so it drains before it is forgotten")
        if grace < needed:
            problems.append(f"{title(deployment)}: {grace} s, and it needs {needed:g}")
    return problems


def spread(documents: Documents) -> list[str]:
    """Pods of a service are spread over machines, by labels that they have."""
    problems = []
    for deployment in deployments(documents):
        rules = pod(deployment).get("topologySpreadConstraints", [])
        if not {"kubernetes.io/hostname"} <= {rule["topologyKey"] for rule in rules}:
            problems.append(f"{title(deployment)}: not spread over machines")
        problems += [
            f"{title(deployment)}: spread by labels that it has not"
            for rule in rules
            if not matches(rule["labelSelector"], pod_labels(deployment))
            or not _is_of_one_service(rule, deployment["metadata"]["name"])
        ]
    return problems


def _is_of_one_service(rule: Document, service: str) -> bool:
    """By its name as a label, or by whatever that label of the pod itself is."""
    stated = rule["labelSelector"]["matchLabels"].get(SERVICE_LABEL) == service
    return stated or SERVICE_LABEL in rule.get("matchLabelKeys", [])


def spread_over_zones(documents: Documents) -> list[str]:
    """No zone takes all pods of a service along, nor two instances of the database.

    A zone that is dead is still a zone: what is not to stand uneven could be made nowhere else. So
    services may, and for the database only nodes that can be had count (`nodeTaintsPolicy`).
    """
    zone = "topology.kubernetes.io/zone"
    rules = [
        (title(one), pod(one).get("topologySpreadConstraints", []), {"ScheduleAnyway": "Ignore"})
        for one in deployments(documents)
    ]
    rules += [
        (title(one), one["spec"].get("topologySpreadConstraints", []), {"DoNotSchedule": "Honor"})
        for one in of_kind(documents, "Cluster")
    ]
    return [
        f"{where}: not spread over zones"
        for where, constraints, wanted in rules
        if not any(
            rule["topologyKey"] == zone
            and {rule["whenUnsatisfiable"]: rule.get("nodeTaintsPolicy", "Ignore")} == wanted
            for rule in constraints
        )
    ]


def disruptions_are_bounded(documents: Documents) -> list[str]:
    """Each service has one budget: a drained node takes one pod at a time, and can be drained."""
    problems = []
    budgets = list(of_kind(documents, "PodDisruptionBudget"))
    for deployment in deployments(documents):
        mine = [b for b in budgets if matches(b["spec"]["selector"], pod_labels(deployment))]
        if len(mine) != 1 or mine[0]["spec"].get("maxUnavailable") != 1:
            problems.append(f"{title(deployment)}: {len(mine)} budgets")
    for budget in budgets:
        takes = [
            one
            for one in workloads(documents)
            if matches(budget["spec"]["selector"], pod_labels(one))
        ]
        if any(is_job(one) for one in takes):
            problems.append(f"{title(budget)}: for jobs, too")
    return problems


def services_find_pods(documents: Documents) -> list[str]:
    """Each Service is headless, and finds the pods of the workload of its name, and no others."""
    problems = []
    for service in of_kind(documents, "Service"):
        spec = service["spec"]
        found = [
            one
            for one in workloads(documents)
            if matches({"matchLabels": spec["selector"]}, pod_labels(one))
        ]
        if [one["metadata"]["name"] for one in found] != [service["metadata"]["name"]]:
            problems.append(f"{title(service)}: finds {[title(one) for one in found]}")
            continue
        names = {
            port.get("name") for container in containers(found[0]) for port in container["ports"]
        }
        problems += [
            f"{title(service)}: no port {port['targetPort']}"
            for port in spec["ports"]
            if port["targetPort"] not in names
        ]
        if spec.get("clusterIP") != "None":
            problems.append(f"{title(service)}: clients see one address for all pods")
    return problems


def selectors_agree(documents: Documents) -> list[str]:
    """A workload takes its own pods and nobody else's."""
    problems = []
    for one in of_kind(documents, "Deployment", "StatefulSet"):
        takes = [
            title(other)
            for other in workloads(documents)
            if matches(one["spec"]["selector"], pod_labels(other))
        ]
        if takes != [title(one)]:
            problems.append(f"{title(one)}: takes {takes}")
    return problems


def scaled_by_one(documents: Documents) -> list[str]:
    """What is scaled is there, by one scaler, from two pods on, and says no number of its own."""
    problems = []
    scalers = list(of_kind(documents, "HorizontalPodAutoscaler", "ScaledObject"))
    targets = [scaler["spec"]["scaleTargetRef"]["name"] for scaler in scalers]
    for deployment in deployments(documents):
        count = targets.count(deployment["metadata"]["name"])
        replicas = deployment["spec"].get("replicas")
        if count > 1 or (count == 1) != (replicas is None):
            problems.append(f"{title(deployment)}: {count} scalers, {replicas} replicas")
    known = {one["metadata"]["name"] for one in of_kind(documents, "Deployment")}
    for scaler, target in zip(scalers, targets, strict=True):
        least = scaler["spec"].get("minReplicas", scaler["spec"].get("minReplicaCount", 0))
        if target not in known or least < 2:
            problems.append(f"{title(scaler)}: {target} from {least}")
    return problems


def steps(documents: Documents) -> list[str]:
    """Jobs and what runs on say when it is their turn, nothing else does (scripts/roll_out)."""
    problems = []
    for document in documents:
        step = document["metadata"].get("labels", {}).get(STEP)
        name = document["metadata"]["name"]
        match document["kind"]:
            case "Deployment":
                wanted: str | None = "serve"
            case "CronJob":
                wanted = "serve"
            case "Job":
                wanted = name.rpartition("-")[2]
            case _:
                wanted = None
        if step != wanted:
            problems.append(f"{title(document)}: its turn is {step}")
    return problems
