"""Who can reach whom, as NetworkPolicies say it: reckoned as a network plugin would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from support.manifests.documents import (
    NAMESPACE,
    Document,
    Documents,
    containers,
    matches,
    named,
    of_kind,
    pod_labels,
    title,
    workloads,
)

_OURS = {"kubernetes.io/metadata.name": NAMESPACE}


@dataclass(frozen=True)
class Endpoint:
    """A pod, or something outside the cluster with an address."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: Mapping[str, str] = field(default_factory=lambda: _OURS)
    ports: Mapping[str, int] = field(default_factory=dict)
    cidr: str = ""

    @property
    def ours(self) -> bool:
        """Whether our policies speak for it."""
        return not self.cidr and self.namespace == _OURS


def _elsewhere(name: str, labels: Mapping[str, str] | None = None, **ports: int) -> Endpoint:
    return Endpoint(name, labels or {}, {"kubernetes.io/metadata.name": name}, ports)


# Whom a cluster has beside us. What a namespace is labelled with is its owner's word to us.
OUTSIDE = (
    _elsewhere("kube-system", {"k8s-app": "kube-dns"}, dns=53),
    _elsewhere("monitoring"),
    _elsewhere("cnpg-system"),
    Endpoint("gateway", {}, {"zikao/gateway": "true"}),
    Endpoint("portal", {}, {"zikao/caller": "true"}),
    # Somebody's pod that has no business here.
    Endpoint(
        "stranger", {"app.kubernetes.io/component": "server"}, {"name": "strange"}, {"web": 80}
    ),
    # Addresses of the province overlay (settings/networks.yaml).
    Endpoint("payment-platform-outside", ports={"https": 443}, cidr="192.0.2.0/28"),
    Endpoint("mail-sms-identity", ports={"https": 443, "smtp": 587}, cidr="192.0.2.16/28"),
    Endpoint("api-server", ports={"https": 6443}, cidr="198.51.100.0/28"),
    Endpoint("object-store", ports={"https": 443}, cidr="203.0.113.0/28"),
    Endpoint("internet", ports={"https": 443}, cidr="0.0.0.0/0"),
)
# What CloudNativePG makes of its resources: labels and ports of its pods.
_CNPG = {
    "Cluster": ("cnpg.io/cluster", {"postgres": 5432, "status": 8000, "metrics": 9187}),
    "Pooler": ("cnpg.io/poolerName", {"pgbouncer": 5432, "metrics": 9127}),
}


def endpoints(documents: Documents) -> list[Endpoint]:
    """Ours, with those that an operator makes, and everybody else."""
    ours = [
        Endpoint(
            workload["metadata"]["name"],
            pod_labels(workload),
            ports={
                port["name"]: port["containerPort"]
                for container in containers(workload)
                for port in container.get("ports", [])
            },
        )
        for workload in workloads(documents)
    ]
    return [*ours, *_made_by_operator(documents), *OUTSIDE]


def _made_by_operator(documents: Documents) -> Iterator[Endpoint]:
    for document in of_kind(documents, *_CNPG):
        key, ports = _CNPG[document["kind"]]
        name = document["metadata"]["name"]
        labels = {key: name}
        if document["kind"] == "Pooler":
            labels |= {"cnpg.io/cluster": document["spec"]["cluster"]["name"]}
        yield Endpoint(name, labels, ports=ports)


def flows(documents: Documents) -> set[tuple[str, str, int]]:
    """(from, to, port) of everything that can be said with one of ours at either end."""
    everybody = endpoints(documents)
    policies = list(of_kind(documents, "NetworkPolicy"))
    return {
        (source.name, target.name, port)
        for source in everybody
        for target in everybody
        if (source.ours or target.ours) and source != target
        for port in target.ports.values()
        if _lets(policies, "egress", source, target, port)
        and _lets(policies, "ingress", target, source, port)
    }


def _lets(
    policies: Sequence[Document],
    direction: str,
    subject: Endpoint,
    other: Endpoint,
    port: int,
) -> bool:
    if not subject.ours:
        return True
    mine = [
        policy["spec"]
        for policy in policies
        if direction.capitalize() in policy["spec"]["policyTypes"]
        and matches(policy["spec"]["podSelector"], subject.labels)
    ]
    end, target = ("to", other) if direction == "egress" else ("from", subject)
    return not mine or any(
        _takes_peer(rule.get(end), other) and _takes_port(rule.get("ports"), port, target)
        for spec in mine
        for rule in spec.get(direction, [])
    )


def _takes_peer(peers: Sequence[Document] | None, other: Endpoint) -> bool:
    return peers is None or any(_is(peer, other) for peer in peers)


def _is(peer: Document, other: Endpoint) -> bool:
    if "ipBlock" in peer:
        return bool(other.cidr) and peer["ipBlock"]["cidr"] == other.cidr
    if other.cidr:
        return False
    space = peer.get("namespaceSelector")
    if space is None:
        if not other.ours:
            return False
    elif not matches(space, other.namespace):
        return False
    return matches(peer.get("podSelector", {}), other.labels)


def _takes_port(ports: Sequence[Document] | None, port: int, at: Endpoint) -> bool:
    if ports is None:
        return True
    return any((at.ports.get(p["port"]) or p["port"]) == port for p in ports)


def default_deny(documents: Documents) -> list[str]:
    """One policy takes every pod, both ways, and lets nothing through."""
    try:
        spec = named(documents, "NetworkPolicy", "default-deny")["spec"]
    except KeyError as error:
        return [f"{error} is missing"]
    whole = spec["podSelector"] == {} and set(spec["policyTypes"]) == {"Ingress", "Egress"}
    return (
        [] if whole and not spec.get("ingress") and not spec.get("egress") else ["it lets through"]
    )


def peers_exist(documents: Documents) -> list[str]:
    """Whom a policy speaks for, and whom it lets speak, is somebody."""
    everybody = endpoints(documents)
    ours = [one for one in everybody if one.ours]
    problems = []
    for policy in of_kind(documents, "NetworkPolicy"):
        spec = policy["spec"]
        if not any(matches(spec["podSelector"], one.labels) for one in ours):
            problems.append(f"{title(policy)}: speaks for nobody")
        rules = [*spec.get("ingress", []), *spec.get("egress", [])]
        peers = [peer for rule in rules for peer in rule.get("from", rule.get("to", []))]
        problems += [
            f"{title(policy)}: there is nobody like {peer}"
            for peer in peers
            if not any(_is(peer, one) for one in everybody)
        ]
        problems += [
            f"{title(policy)}: a rule for everybody" for rule in rules if not _bounded(rule)
        ]
    return problems


def _bounded(rule: Document) -> bool:
    return bool(rule.get("from") or rule.get("to")) and bool(rule.get("ports"))


def policy_ports_exist(documents: Documents) -> list[str]:
    """A port of an ingress rule is one that each of the pods it speaks for listens on."""
    ours = [one for one in endpoints(documents) if one.ours]
    return [
        f"{title(policy)}: {one.name} has no port {port['port']}"
        for policy in of_kind(documents, "NetworkPolicy")
        for rule in policy["spec"].get("ingress", [])
        for port in rule.get("ports", [])
        for one in ours
        if policy["spec"]["podSelector"]
        and matches(policy["spec"]["podSelector"], one.labels)
        and port["port"] not in {*one.ports, *one.ports.values()}
    ]
