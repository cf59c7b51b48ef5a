"""Everything that can be applied to a cluster is what its APIs and our own rules say."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from support.manifests import checks, configuration, network, pods, scaling, schemas, serving
from support.manifests.checks import Check, checks_of
from support.manifests.documents import ROOT, Document, named, of_kind

OVERLAYS = [
    f"overlay-{path.parent.name}" for path in ROOT.glob("deploy/k8s/overlays/*/kustomization.yaml")
]
COMPONENTS = [f"component-{path.name}" for path in (ROOT / "deploy/k8s/components").iterdir()]
EVERY_CHECK = [(name, check) for name in sorted(OVERLAYS) for check in checks_of(name)]

Rendered = dict[str, list[Document]]


@pytest.mark.parametrize("name", sorted(OVERLAYS + COMPONENTS))
def test_every_manifest_is_what_its_api_says(rendered: Rendered, name: str) -> None:
    """Each overlay, and each component on the base, is rendered, and all of it fits its schema."""
    assert rendered[name]
    assert [problem for one in rendered[name] for problem in schemas.problems_of(one)] == []


@pytest.mark.parametrize(
    ("name", "check"), EVERY_CHECK, ids=lambda value: getattr(value, "__name__", value)
)
def test_an_overlay_holds_our_rules(rendered: Rendered, name: str, check: Check) -> None:
    """What is applied holds each rule of ours (the check's own sentence)."""
    assert check(rendered[name]) == []


def spoil(value: Any, path: str, new: Any) -> None:
    """Set what is at a path of keys and numbers ("~" for "/"); DELETE takes it away."""
    *way, last = [part.replace("~", "/") for part in path.split("/")]
    for part in way:
        value = value[int(part) if isinstance(value, list) else part]
    place: Any = int(last) if isinstance(value, list) else last
    if new is DELETE:
        del value[place]
    else:
        value[place] = new


DELETE = object()
ENROLLMENT = ("Deployment", "enrollment")
POD = "spec/template/spec"
NIGHTLY = ("CronJob", "tickets-verify-audit-log")
NIGHTLY_POD = f"spec/jobTemplate/{POD}"
MAIN = f"{POD}/containers/0"
DATABASE = ("Cluster", "zikao-db")
POOLER = ("Pooler", "zikao-db-pooler")
SCALER = ("ScaledObject", "enrollment")
LEAF = ("Certificate", "tickets")
OWN_AND_TRUSTED = [{"key": key, "path": key} for key in ("tls.crt", "tls.key", "ca.crt")]
# The check that must see it, of which object, where, and what is put there.
PLANTED: list[tuple[Check, tuple[str, str], str, Any]] = [
    (pods.images_are_named, ENROLLMENT, f"{MAIN}/image", "zikao/enrollment"),
    (pods.images_are_named, ENROLLMENT, f"{MAIN}/image", "zikao/enrollment:latest"),
    (pods.images_are_named, DATABASE, "spec/imageName", "registry.example.gov.cn/postgresql"),
    (pods.bounded, ENROLLMENT, f"{MAIN}/resources/limits/memory", DELETE),
    (pods.bounded, ENROLLMENT, f"{MAIN}/resources/requests", DELETE),
    (pods.bounded, ENROLLMENT, f"{MAIN}/resources/limits/cpu", "500m"),
    (pods.restricted, ENROLLMENT, f"{POD}/securityContext/runAsNonRoot", False),
    (pods.restricted, ENROLLMENT, f"{POD}/securityContext/runAsUser", 0),
    (pods.restricted, ENROLLMENT, f"{POD}/securityContext/seccompProfile", DELETE),
    (pods.restricted, ENROLLMENT, f"{MAIN}/securityContext/readOnlyRootFilesystem", False),
    (pods.restricted, ENROLLMENT, f"{MAIN}/securityContext/allowPrivilegeEscalation", True),
    (pods.restricted, ENROLLMENT, f"{MAIN}/securityContext/capabilities/add", ["NET_ADMIN"]),
    (pods.restricted, ENROLLMENT, f"{MAIN}/securityContext/privileged", True),
    (pods.restricted, ("Job", "tickets-migrate-pre"), f"{MAIN}/securityContext", {}),
    (pods.restricted, NIGHTLY, f"{NIGHTLY_POD}/securityContext/runAsNonRoot", False),
    (pods.volumes, NIGHTLY, f"{NIGHTLY_POD}/containers/0/volumeMounts/1/readOnly", DELETE),
    (pods.off_the_host, ENROLLMENT, f"{POD}/hostNetwork", True),
    (pods.off_the_host, ENROLLMENT, f"{POD}/volumes/0", {"name": "x", "hostPath": {"path": "/"}}),
    (pods.off_the_host, ENROLLMENT, f"{MAIN}/ports/0/hostPort", 7100),
    (pods.accounts, ENROLLMENT, f"{POD}/automountServiceAccountToken", True),
    (pods.accounts, ENROLLMENT, f"{POD}/serviceAccountName", "default"),
    (pods.accounts, ("ServiceAccount", "tickets"), "automountServiceAccountToken", DELETE),
    (pods.ports_are_named, ENROLLMENT, f"{MAIN}/ports/1/name", DELETE),
    (pods.ports_are_named, ENROLLMENT, f"{MAIN}/ports/1/name", "grpc"),
    (pods.probed, ENROLLMENT, f"{MAIN}/readinessProbe", DELETE),
    (pods.probed, ENROLLMENT, f"{MAIN}/livenessProbe/grpc/port", 7100),
    # A liveness probe that asks for readiness kills pods that wait for their database.
    (pods.probed, ENROLLMENT, f"{MAIN}/livenessProbe/grpc/service", ""),
    (pods.probed, ENROLLMENT, f"{MAIN}/readinessProbe/grpc/service", "liveness"),
    (pods.patient_start, ENROLLMENT, f"{MAIN}/startupProbe/failureThreshold", 3),
    (pods.patient_start, ENROLLMENT, f"{MAIN}/livenessProbe/failureThreshold", 1),
    (pods.volumes, ENROLLMENT, f"{MAIN}/volumeMounts/2/subPath", "tls.crt"),
    (pods.volumes, ENROLLMENT, f"{MAIN}/volumeMounts/0/readOnly", DELETE),
    (pods.volumes, ENROLLMENT, f"{MAIN}/volumeMounts/0/name", "nothing"),
    (pods.no_secret_in_clear, ("ServiceAccount", "tickets"), "kind", "Secret"),
    (serving.namespace_is_restricted, ENROLLMENT, "metadata/namespace", "default"),
    (
        serving.namespace_is_restricted,
        ("Namespace", "zikao"),
        "metadata/labels/pod-security.kubernetes.io~enforce",
        "baseline",
    ),
    (serving.rolls_without_a_gap, ENROLLMENT, "spec/strategy/rollingUpdate/maxUnavailable", 1),
    (serving.rolls_without_a_gap, ENROLLMENT, "spec/strategy/rollingUpdate/maxSurge", 0),
    (serving.known_before_old_ones_go, ENROLLMENT, "spec/minReadySeconds", DELETE),
    (serving.known_before_old_ones_go, ENROLLMENT, "spec/minReadySeconds", 30),
    (serving.known_before_old_ones_go, ENROLLMENT, "spec/progressDeadlineSeconds", 200),
    (serving.grace_is_enough, ENROLLMENT, f"{POD}/terminationGracePeriodSeconds", 30),
    (serving.grace_is_enough, ENROLLMENT, f"{MAIN}/lifecycle", {}),
    (serving.spread, ENROLLMENT, f"{POD}/topologySpreadConstraints", []),
    (
        serving.spread,
        ENROLLMENT,
        f"{POD}/topologySpreadConstraints/0/labelSelector/matchLabels/app.kubernetes.io~name",
        "tickets",
    ),
    (
        serving.spread_over_zones,
        ENROLLMENT,
        f"{POD}/topologySpreadConstraints/0/topologyKey",
        "rack",
    ),
    (
        serving.spread_over_zones,
        ENROLLMENT,
        f"{POD}/topologySpreadConstraints/0/whenUnsatisfiable",
        "DoNotSchedule",
    ),
    (serving.spread_over_zones, DATABASE, "spec/topologySpreadConstraints", []),
    (
        serving.spread_over_zones,
        DATABASE,
        "spec/topologySpreadConstraints/0/nodeTaintsPolicy",
        DELETE,
    ),
    (serving.disruptions_are_bounded, ("PodDisruptionBudget", "tickets"), "spec/maxUnavailable", 0),
    (
        serving.disruptions_are_bounded,
        ("PodDisruptionBudget", "tickets"),
        "spec/selector/matchLabels/app.kubernetes.io~component",
        DELETE,
    ),
    (
        serving.services_find_pods,
        ("Service", "tickets"),
        "spec/selector/app.kubernetes.io~name",
        "ticket",
    ),
    (serving.services_find_pods, ("Service", "tickets"), "spec/clusterIP", DELETE),
    (serving.services_find_pods, ("Service", "tickets"), "spec/ports/0/targetPort", "http"),
    # Migrations would be called, too.
    (
        serving.services_find_pods,
        ("Service", "tickets"),
        "spec/selector/app.kubernetes.io~component",
        DELETE,
    ),
    (
        serving.selectors_agree,
        ENROLLMENT,
        "spec/selector/matchLabels/app.kubernetes.io~component",
        DELETE,
    ),
    (serving.scaled_by_one, ENROLLMENT, "spec/replicas", 2),
    (serving.scaled_by_one, SCALER, "spec/minReplicaCount", 0),
    (serving.scaled_by_one, SCALER, "spec/scaleTargetRef/name", "enrolment"),
    (serving.steps, ("Job", "tickets-migrate-post"), "metadata/labels/zikao~step", "pre"),
    # A roll-out would begin it.
    (serving.steps, ("Job", "tickets-reencrypt"), "metadata/labels/zikao~step", DELETE),
    (serving.steps, ENROLLMENT, "metadata/labels/zikao~step", DELETE),
    (serving.steps, NIGHTLY, "metadata/labels/zikao~step", DELETE),
    (configuration.files_are_mounted, ENROLLMENT, f"{POD}/volumes/2/secret/items/0/path", "dns"),
    (configuration.files_are_mounted, ENROLLMENT, f"{MAIN}/volumeMounts/2/mountPath", "/etc/tls"),
    (
        configuration.files_are_mounted,
        ("Job", "tickets-reencrypt"),
        f"{POD}/volumes/1/secret/items",
        [{"key": "direct-dsn", "path": "dsn"}],
    ),
    (configuration.ports_agree, ENROLLMENT, f"{MAIN}/ports/2/containerPort", 7181),
    (configuration.ports_agree, ENROLLMENT, f"{MAIN}/ports/1/name", "prometheus"),
    (configuration.peers_are_there, ("Service", "registration"), "metadata/name", "registrations"),
    (configuration.commands_exist, ENROLLMENT, f"{MAIN}/args/0", "server"),
    (configuration.commands_exist, ("Job", "tickets-migrate-pre"), f"{MAIN}/args/2", "before"),
    (configuration.commands_exist, ("Job", "tickets-migrate-pre"), f"{MAIN}/args/1", "--step"),
    (configuration.commands_exist, ("Job", "tickets-reencrypt"), f"{MAIN}/args/0", "re-encrypt"),
    (configuration.commands_exist, NIGHTLY, f"{NIGHTLY_POD}/containers/0/args/0", "verify"),
    (configuration.files_are_mounted, NIGHTLY, f"{NIGHTLY_POD}/volumes/1/secret/items", []),
    (configuration.references_resolve, ENROLLMENT, f"{POD}/volumes/1/configMap/name", "enrollment"),
    (scaling.opening_is_prepared, SCALER, "spec/triggers/0/metadata/desiredReplicas", "3"),
    (scaling.opening_is_prepared, SCALER, "spec/triggers/0/metadata/timezone", "UTC"),
    (scaling.opening_is_prepared, SCALER, "spec/maxReplicaCount", 6),
    (scaling.opening_is_prepared, SCALER, "spec/fallback/replicas", 2),
    (
        scaling.asks_for_what_is_measured,
        SCALER,
        "spec/triggers/1/metadata/query",
        'sum(rate(process_cpu_seconds_total{namespace="zikao",job="zikao/enrollment"}[1m]))',
    ),
    (
        scaling.asks_for_what_is_measured,
        SCALER,
        "spec/triggers/1/metadata/query",
        'sum(rate(process_cpu_second_total{namespace="zikao",job="enrollment"}[1m]))',
    ),
    (
        scaling.asks_for_what_is_measured,
        SCALER,
        "spec/triggers/1/metadata/query",
        'sum(rate(process_cpu_seconds_total{job="enrollment"}[1m]))',
    ),
    (scaling.asks_for_what_is_measured, ("PodMonitor", "zikao"), "spec/jobLabel", DELETE),
    (scaling.resources_are_measured, ENROLLMENT, f"{MAIN}/resources/requests/memory", "512Mi"),
    (scaling.resources_are_measured, ENROLLMENT, f"{MAIN}/resources/requests/cpu", "500m"),
    (scaling.resources_are_measured, DATABASE, "spec/resources/requests/cpu", "2"),
    (scaling.connections_suffice, DATABASE, "spec/postgresql/parameters/max_connections", "150"),
    (scaling.connections_suffice, POOLER, "spec/pgbouncer/parameters/max_client_conn", "200"),
    (scaling.connections_suffice, SCALER, "spec/maxReplicaCount", 60),
    (scaling.pooling_is_possible, POOLER, "spec/pgbouncer/poolMode", "session"),
    (scaling.pooling_is_possible, POOLER, "spec/pgbouncer/parameters/max_prepared_statements", "0"),
    (
        scaling.pooling_is_possible,
        POOLER,
        "spec/pgbouncer/parameters/ignore_startup_parameters",
        "jit",
    ),
    (scaling.database_survives_a_machine, DATABASE, "spec/instances", 2),
    (scaling.database_survives_a_machine, DATABASE, "spec/postgresql/synchronous", DELETE),
    (scaling.database_survives_a_machine, DATABASE, "spec/postgresql/synchronous/number", 2),
    (
        scaling.database_survives_a_machine,
        DATABASE,
        "spec/postgresql/synchronous/failoverQuorum",
        DELETE,
    ),
    (scaling.database_goes_last, DATABASE, "spec/priorityClassName", DELETE),
    (scaling.database_goes_last, POOLER, "spec/template/spec/priorityClassName", "zikao-service"),
    (scaling.database_goes_last, ("PriorityClass", "zikao-service"), "value", 200000),
    (
        scaling.database_survives_a_machine,
        DATABASE,
        "spec/affinity/podAntiAffinityType",
        "preferred",
    ),
    (scaling.database_survives_a_machine, DATABASE, "spec/plugins", []),
    (
        scaling.database_survives_a_machine,
        ("ScheduledBackup", "zikao-db-nightly"),
        "spec/cluster/name",
        "db",
    ),
    (scaling.certificates_renew, LEAF, "spec/privateKey/rotationPolicy", "Never"),
    (scaling.certificates_renew, LEAF, "spec/duration", "8760h"),
    (scaling.certificates_renew, LEAF, "spec/renewBefore", "1h"),
    (
        scaling.trust_is_apart,
        ENROLLMENT,
        f"{POD}/volumes/0",
        {"name": "tls", "secret": {"secretName": "enrollment-tls", "items": OWN_AND_TRUSTED}},
    ),
    (scaling.trust_is_apart, ENROLLMENT, f"{POD}/volumes/0/projected/sources/1", {}),
    (scaling.certificates_fit, LEAF, "spec/uris/0", "spiffe://zikao/ticket"),
    (scaling.certificates_fit, LEAF, "spec/dnsNames", ["tickets.zikao.svc"]),
    (scaling.certificates_fit, LEAF, "spec/usages", ["server auth"]),
    (scaling.gateway_reads_nothing, ("Gateway", "zikao"), "spec/listeners/0/tls/mode", "Terminate"),
    (
        scaling.gateway_reads_nothing,
        ("TLSRoute", "tickets"),
        "spec/rules/0/backendRefs/0/port",
        443,
    ),
    (
        scaling.gateway_reads_nothing,
        ("TLSRoute", "tickets"),
        "spec/parentRefs/0/sectionName",
        "ticket",
    ),
    (scaling.gateway_reads_nothing, LEAF, "spec/dnsNames/3", "tickets.example.gov.cn"),
    (network.default_deny, ("NetworkPolicy", "default-deny"), "spec/policyTypes", ["Ingress"]),
    (network.default_deny, ("NetworkPolicy", "default-deny"), "metadata/name", "deny"),
    (network.default_deny, ("NetworkPolicy", "default-deny"), "spec/egress", [{}]),
    (
        network.peers_exist,
        ("NetworkPolicy", "enrollment"),
        "spec/egress/0/to/0/podSelector/matchLabels/app.kubernetes.io~name",
        "registrations",
    ),
    (network.peers_exist, ("NetworkPolicy", "enrollment"), "spec/ingress/0/from", DELETE),
    (
        network.peers_exist,
        ("NetworkPolicy", "enrollment"),
        "spec/podSelector/matchLabels/app.kubernetes.io~name",
        "x",
    ),
    (
        network.policy_ports_exist,
        ("NetworkPolicy", "enrollment"),
        "spec/ingress/0/ports/0/port",
        "http",
    ),
]


def planted_id(value: object) -> str | None:
    """How a planted mistake is called."""
    return getattr(value, "__name__", None) or (value if isinstance(value, str) else None)


@pytest.mark.parametrize(("check", "of", "path", "new"), PLANTED, ids=planted_id)
def test_a_planted_mistake_is_seen(
    rendered: Rendered, check: Check, of: tuple[str, str], path: str, new: Any
) -> None:
    """A manifest that was right, and in which one thing was made wrong, is refused by its check."""
    documents = copy.deepcopy(rendered["overlay-province"])
    spoil(named(documents, *of), path, new)
    assert check(documents)


def test_every_check_has_seen_a_mistake() -> None:
    """No check is trusted that no test has seen refuse something."""
    tried = {check for check, *_ in PLANTED} | {check for check, *_ in PLANTED_IN_CONFIGURATION}
    assert tried == {*checks.EVERYWHERE, *checks.PROVINCE}


def edited(documents: list[Document], service: str, old: str, new: str) -> None:
    """Change words of a service's configuration."""
    for one in of_kind(documents, "ConfigMap"):
        if one["metadata"]["name"].startswith(f"{service}-config"):
            assert old in one["data"]["config.yaml"]
            one["data"]["config.yaml"] = one["data"]["config.yaml"].replace(old, new)


PLANTED_IN_CONFIGURATION: list[tuple[Check, str, str]] = [
    (configuration.configurations_load, "metrics_port: 9100", "metric_port: 9100"),
    (configuration.configurations_load, "drain_wait_seconds: 2", "drain_wait_seconds: two"),
    (serving.grace_is_enough, "drain_grace_seconds: 20", "drain_grace_seconds: 60"),
    (configuration.ports_agree, "metrics_host: 0.0.0.0", "metrics_host: 127.0.0.1"),
    (configuration.files_are_mounted, "/etc/zikao/secrets/dsn", "/etc/zikao/secrets/database"),
    (configuration.peers_are_there, "dns:///registration:7100", "dns:///registration:7101"),
    (configuration.peers_are_there, "dns:///registration:7100", "registration:7100"),
    (configuration.callers_are_named, '"*": [portal', '"zikao.x.v1.Service": [portal'),
    (
        configuration.callers_are_named,
        "EnrollmentFeedService: [tickets, ",
        "EnrollmentFeedService: [",
    ),
    (pods.no_secret_in_clear, "database:", "database:\n  password: hunter2"),
    (pods.no_secret_in_clear, "dsn_file: /etc/zikao/secrets/dsn", "dsn: postgresql://a:b@db/zikao"),
    (scaling.reflection_is_off, "admin_listen:", "reflection: true\n  admin_listen:"),
]


@pytest.mark.parametrize(("check", "old", "new"), PLANTED_IN_CONFIGURATION, ids=planted_id)
def test_a_planted_mistake_in_a_configuration_is_seen(
    rendered: Rendered, check: Check, old: str, new: str
) -> None:
    """So is one in the file that a service reads."""
    documents = copy.deepcopy(rendered["overlay-province"])
    edited(documents, "enrollment", old, new)
    assert check(documents)


MISSHAPEN: list[tuple[tuple[str, str], str, Any]] = [
    (ENROLLMENT, f"{POD}/terminationGracePeriodSecond", 45),
    (ENROLLMENT, "spec/replicas", "two"),
    (ENROLLMENT, f"{MAIN}/livenessProbe/grpc/port", "admin"),
    (ENROLLMENT, "apiVersion", "apps/v2"),
    (("NetworkPolicy", "dns"), "spec/policyType", ["Egress"]),
    (("PodDisruptionBudget", "tickets"), "spec/unhealthyPodEviction", "AlwaysAllow"),
    (("Job", "tickets-migrate-pre"), "spec/backoffLimit", "4"),
    (NIGHTLY, "spec/timezone", "Asia/Shanghai"),
    (LEAF, "spec/renewbefore", "1h"),
    (LEAF, "spec/dnsNames", "tickets"),
    (SCALER, "spec/minReplicas", 2),
    (SCALER, "spec/triggers/0/metadata", ["x"]),
    (("PodMonitor", "zikao"), "spec/podMetricsEndpoint", []),
    (DATABASE, "spec/instance", 3),
    (DATABASE, "spec/postgresql/parameters/max_connections", 220),
    (DATABASE, "spec/postgresql/synchronous/dataDurability", "always"),
    (POOLER, "spec/pgbouncer/parameters/pool_mode", "session"),
    (("ScheduledBackup", "zikao-db-nightly"), "spec/schedule", "30 19 * * *"),
    (("ObjectStore", "zikao-backups"), "spec/configuration/endpointURL", "http://objects"),
    (("Gateway", "zikao"), "spec/listeners/0/tls/mode", "PassThrough"),
    (("Gateway", "zikao"), "spec/listeners/0/tls/certificateRefs", []),
    (("TLSRoute", "tickets"), "spec/hostnames", []),
    (("TLSRoute", "tickets"), "kind", "TLSRoutes"),
]


@pytest.mark.parametrize(("of", "path", "new"), MISSHAPEN, ids=planted_id)
def test_a_field_that_its_api_does_not_know_is_refused(
    rendered: Rendered, of: tuple[str, str], path: str, new: Any
) -> None:
    """A wrong name or a wrong kind of value is seen in documents of every API."""
    document = copy.deepcopy(named(rendered["overlay-province"], *of))
    spoil(document, path, new)
    assert schemas.problems_of(document)
