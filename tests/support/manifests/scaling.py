"""Whether a province has enough of what an opening needs, and keeps it."""

from __future__ import annotations

import functools
import re

import yaml
from support.exposition import written
from support.manifests.configuration import TRUST, load, programs
from support.manifests.documents import (
    NAMESPACE,
    ROOT,
    Document,
    Documents,
    containers,
    mounted_files,
    named,
    of_kind,
    pod,
    pod_labels,
    title,
)
from support.manifests.pods import amount
from support.promql import names_in, wrong_names
from support.services import SERVICES
from zikao_ctl.capacity.command import DEFAULT_FIGURES, DEFAULT_QUESTION
from zikao_ctl.capacity.figures import Figures, read_figures
from zikao_ctl.capacity.sizing import Size, process_memory, size_of

# For the operator, migrations, `zikao audit` and whoever looks.
SPARE_CONNECTIONS = 30
POOLED_ROLES = len(SERVICES)
# Streams and connections of a process in docs/capacity.md.
STREAMS, CONNECTIONS = 5000, 100
# What the Prometheus operator adds to all that it lets scrape.
_OF_THE_OPERATOR = frozenset({"namespace", "pod", "container"})
_HOURS = re.compile(r"([0-9]+)h")
LONGEST_LEAF_HOURS = 30 * 24
_SOON = re.compile(r"zikao_certificate_expiry_seconds\) < (\d+) \* 86400")


@functools.cache
def figures() -> Figures:
    """What calls cost, as it was measured."""
    return read_figures(ROOT / DEFAULT_FIGURES)


@functools.cache
def opening() -> Size:
    """What a province needs whose people come all at once (docs/capacity.md)."""
    return size_of(DEFAULT_QUESTION, figures(), room=False)


def opening_is_prepared(documents: Documents) -> list[str]:
    """Before the opening there are the processes that docs/capacity.md reckons for all at once."""
    scaler = named(documents, "ScaledObject", "enrollment")["spec"]
    crons = [trigger["metadata"] for trigger in scaler["triggers"] if trigger["type"] == "cron"]
    problems = [] if crons else ["no opening"]
    for cron in crons:
        count = int(cron["desiredReplicas"])
        if count < opening().pods:
            problems.append(f"{count} processes, {opening().pods} needed")
        if count > scaler["maxReplicaCount"]:
            problems.append("more than there may be")
        if cron["timezone"] != "Asia/Shanghai":
            problems.append(f"by the clock of {cron['timezone']}")
    if scaler.get("fallback", {}).get("replicas", 0) < opening().pods:
        problems.append("too few where Prometheus cannot be asked")
    return problems


def asks_for_what_is_measured(documents: Documents) -> list[str]:
    """A scaler's query names a metric that there is, of the namespace and the job it scales.

    The job is what the PodMonitor takes it from: a label of the pods.
    """
    monitor = named(documents, "PodMonitor", "zikao")
    known = {name: metric.labels | _OF_THE_OPERATOR for name, metric in written().items()}
    problems = []
    for scaler in of_kind(documents, "ScaledObject"):
        target = named(documents, "Deployment", scaler["spec"]["scaleTargetRef"]["name"])
        job = pod_labels(target).get(monitor["spec"].get("jobLabel", ""), title(monitor))
        for trigger in (t for t in scaler["spec"]["triggers"] if t["type"] == "prometheus"):
            query = trigger["metadata"]["query"]
            problems += [f"{title(scaler)}: no {name}" for name in wrong_names(query, known)]
            for metric, matchers in names_in(query).matchers.items():
                if sorted(matchers) != [("job", job), ("namespace", NAMESPACE)]:
                    problems.append(f"{title(scaler)}: {metric} of {matchers}, not of {job}")
    return problems


def resources_are_measured(documents: Documents) -> list[str]:
    """Enrollment and the database ask for what docs/capacity.md measured, and memory twice."""
    asked = containers(named(documents, "Deployment", "enrollment"))[0]["resources"]["requests"]
    scratch = next(
        v
        for v in pod(named(documents, "Deployment", "enrollment"))["volumes"]
        if v["name"] == "tmp"
    )
    mebibytes = process_memory(DEFAULT_QUESTION, figures(), STREAMS, CONNECTIONS)
    needed = 2 * mebibytes * 2**20 + float(amount(scratch["emptyDir"]["sizeLimit"]))
    problems = []
    if float(amount(asked["memory"])) < needed:
        problems.append(f"enrollment: {asked['memory']} of memory, {needed / 2**20:.0f}Mi needed")
    if amount(asked["cpu"]) < 1:
        problems.append(f"enrollment: {asked['cpu']} of a core")
    cores = amount(named(documents, "Cluster", "zikao-db")["spec"]["resources"]["requests"]["cpu"])
    if cores < opening().postgres_cores:
        problems.append(f"database: {cores} cores, {opening().postgres_cores} needed")
    return problems


def connections_suffice(documents: Documents) -> list[str]:
    """Poolers open no more connections than there are, and take all that services may open."""
    pooler = named(documents, "Pooler", "zikao-db-pooler")["spec"]
    settings = pooler["pgbouncer"]["parameters"]
    most = int(
        named(documents, "Cluster", "zikao-db")["spec"]["postgresql"]["parameters"][
            "max_connections"
        ]
    )
    opened = pooler["instances"] * POOLED_ROLES * int(settings["default_pool_size"])
    problems = []
    if opened + SPARE_CONNECTIONS > most:
        problems.append(f"{opened} connections of poolers, {most} in all")
    wanted = sum(
        load(documents, program, workload, container).database.pool_max
        * _most_pods(documents, program)
        for program, workload, container in programs(documents)
        if workload["kind"] == "Deployment"
    )
    if int(settings["max_client_conn"]) < wanted:
        problems.append(f"{settings['max_client_conn']} clients of a pooler, {wanted} may come")
    return problems


def pooling_is_possible(documents: Documents) -> list[str]:
    """Transactions are pooled as asyncpg needs it; settings that are not passed on are ignored."""
    pgbouncer = named(documents, "Pooler", "zikao-db-pooler")["spec"]["pgbouncer"]
    settings = pgbouncer["parameters"]
    problems = [] if pgbouncer["poolMode"] == "transaction" else ["sessions are pooled"]
    if int(settings.get("max_prepared_statements", 0)) < 1:
        problems.append("prepared statements are lost")
    sent = {
        "search_path",
        "jit",
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
    }
    if missing := sent - set(settings.get("ignore_startup_parameters", "").split(",")):
        problems.append(f"connections are refused for {sorted(missing)}")
    return problems


def _most_pods(documents: Documents, service: str) -> int:
    for scaler in of_kind(documents, "HorizontalPodAutoscaler", "ScaledObject"):
        if scaler["spec"]["scaleTargetRef"]["name"] == service:
            most: int = scaler["spec"].get("maxReplicas", scaler["spec"].get("maxReplicaCount"))
            return most
    replicas: int = named(documents, "Deployment", service)["spec"]["replicas"]
    return replicas


def database_survives_a_machine(documents: Documents) -> list[str]:
    """Three instances on three machines, of which two have a commit before it is answered."""
    spec = named(documents, "Cluster", "zikao-db")["spec"]
    apart = spec.get("affinity", {})
    copies = spec["postgresql"].get("synchronous", {})
    wanted = {
        "instances": spec["instances"] >= 3,
        "synchronous": copies.get("number", 0) >= 1 and copies.get("dataDurability") == "required",
        # Else a standby that has not all of them may become the primary.
        "quorum": copies.get("failoverQuorum") is True,
        # As many copies as standbys would stop all writing with one of them.
        "not all": copies.get("number", 0) < spec["instances"] - 1,
        "apart": apart.get("podAntiAffinityType") == "required",
        "backups": any(plugin.get("isWALArchiver") for plugin in spec.get("plugins", [])),
        "budget": spec.get("enablePDB", True) is True,
    }
    if not any(
        backup["spec"]["cluster"]["name"] == "zikao-db"
        for backup in of_kind(documents, "ScheduledBackup")
    ):
        wanted["schedule"] = False
    return [name for name, holds in wanted.items() if not holds]


def database_goes_last(documents: Documents) -> list[str]:
    """Where nodes are short no service takes the place of the database or of its pooler."""
    values = {one["metadata"]["name"]: one["value"] for one in of_kind(documents, "PriorityClass")}
    services = [
        values.get(pod(named(documents, "Deployment", service)).get("priorityClassName"), 0)
        for service in SERVICES
    ]
    cluster = named(documents, "Cluster", "zikao-db")["spec"]
    pooler = named(documents, "Pooler", "zikao-db-pooler")["spec"]["template"]["spec"]
    return [
        f"{where}: {spec.get('priorityClassName')}, and services come before it"
        for where, spec in (("database", cluster), ("pooler", pooler))
        if values.get(spec.get("priorityClassName"), 0) <= max(services)
    ]


def certificates_renew(documents: Documents) -> list[str]:
    """Certificates live for a month at most, and get a new key before anybody is told of their end.

    Else ZikaoCertificateExpiresSoon would say of each, again and again, what is no fault.
    """
    problems = []
    rules = yaml.safe_dump(
        [one["spec"] for one in of_kind(documents, "PrometheusRule")], width=1000
    )
    told = max((24 * int(days) for days in _SOON.findall(rules)), default=0)
    if not told:
        problems.append("nobody is told of a certificate's end")
    for certificate in of_kind(documents, "Certificate"):
        spec = certificate["spec"]
        if spec.get("isCA"):
            continue
        life, renewal = (_hours(spec.get(key, "")) for key in ("duration", "renewBefore"))
        if spec.get("privateKey", {}).get("rotationPolicy") != "Always":
            problems.append(f"{title(certificate)}: keeps its key")
        if not told < renewal < life <= LONGEST_LEAF_HOURS:
            problems.append(f"{title(certificate)}: {life} h, renewed {renewal} h before")
    return problems


def _hours(text: str) -> int:
    found = _HOURS.fullmatch(text)
    return int(found[1]) if found else 0


def trust_is_apart(documents: Documents) -> list[str]:
    """Whom services trust is not in the Secret that is renewed: two can be trusted for a while.

    cert-manager writes there the authority that issued the certificate, and that one alone.
    """
    return [
        f"{title(workload)}: trusts {source}"
        for program, workload, container in programs(documents)
        for files in [mounted_files(workload, container)]
        for server in [load(documents, program, workload, container).server]
        for source, _ in [files.get(str(server.tls.ca_file), ("nobody", ""))]
        # Who has no certificate calls nobody.
        if str(server.tls.cert_file) in files and source != f"ConfigMap/{TRUST}"
    ]


def certificates_fit(documents: Documents) -> list[str]:
    """Each service's certificate has its one SPIFFE id, the name peers ask for, and both usages."""
    made = {one["spec"]["secretName"]: one["spec"] for one in of_kind(documents, "Certificate")}
    problems = []
    for service in SERVICES:
        spec: Document = made.get(f"{service}-tls", {})
        if spec.get("uris") != [f"spiffe://zikao/{service}"]:
            problems.append(f"{service}: is {spec.get('uris')}")
        if not {service, f"{service}.{NAMESPACE}.svc"} <= set(spec.get("dnsNames", [])):
            problems.append(f"{service}: has not the name that it is asked for")
        if not {"server auth", "client auth"} <= set(spec.get("usages", [])):
            problems.append(f"{service}: {spec.get('usages')}")
    return problems


def reflection_is_off(documents: Documents) -> list[str]:
    """No service of a province lists its contracts, and none has a clock of a rehearsal."""
    return [
        f"{title(workload)}: as in a rehearsal"
        for program, workload, container in programs(documents)
        for config in [load(documents, program, workload, container)]
        if config.server.reflection or config.clock.offset_file
    ]


def gateway_reads_nothing(documents: Documents) -> list[str]:
    """Every way in ends at the service, which has the name that is asked for in its certificate."""
    listeners = {
        (gateway["metadata"]["name"], listener["name"]): listener
        for gateway in of_kind(documents, "Gateway")
        for listener in gateway["spec"]["listeners"]
    }
    problems = [f"no way in to {s}" for s in SERVICES if not _ways_in(documents, s)]
    for (gateway, name), listener in listeners.items():
        if listener["protocol"] != "TLS" or listener.get("tls", {}).get("mode") != "Passthrough":
            problems.append(f"Gateway/{gateway}/{name}: ends TLS")
    made = {one["metadata"]["name"]: one["spec"] for one in of_kind(documents, "Certificate")}
    for route in of_kind(documents, "TLSRoute"):
        service = route["spec"]["rules"][0]["backendRefs"][0]["name"]
        if not set(route["spec"]["hostnames"]) <= set(made.get(service, {}).get("dnsNames", [])):
            problems.append(f"{title(route)}: a name that is not in the certificate of {service}")
        for parent in route["spec"]["parentRefs"]:
            hostname = listeners.get((parent["name"], parent["sectionName"]), {}).get("hostname")
            if [hostname] != route["spec"]["hostnames"]:
                problems.append(f"{title(route)}: its listener is {hostname}")
    return problems


def _ways_in(documents: Documents, service: str) -> bool:
    return any(
        backend == {"name": service, "port": 7100}
        for route in of_kind(documents, "TLSRoute")
        for rule in route["spec"]["rules"]
        for backend in rule["backendRefs"]
    )
