"""What brings manifests into a cluster, and what they need there that is not rendered."""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from support.certificates import server_credentials
from support.contracts import methods
from support.manifests.cluster_secrets import Secrets, make_secrets
from support.manifests.configuration import secrets_needed
from support.manifests.documents import ROOT, Document, mounted_files, named, of_kind
from support.manifests.network import flows
from support.services import SERVICES
from zikao.options.v1 import options_pb2
from zikao_kit.config import CertFiles
from zikao_kit.crypto import KeyRing

Rendered = dict[str, list[Document]]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    """Those of a machine to try on."""
    return make_secrets(tmp_path_factory.mktemp("kind"))


def test_the_secrets_for_trying_are_all_that_pods_mount(
    rendered: Rendered, secrets: Secrets
) -> None:
    """Every key of every Secret that a pod of the overlay `kind` mounts is made by the script."""
    for name, keys in secrets_needed(rendered["overlay-kind"]).items():
        assert keys <= secrets[name].keys(), name


def test_the_secrets_for_trying_can_be_used(secrets: Secrets, tmp_path: Path) -> None:
    """Certificates belong to their keys, key rings open, and the database is asked who it is."""
    for service in SERVICES:
        files = secrets[f"{service}-tls"]
        for key, value in files.items():
            (tmp_path / key).write_bytes(value)
        server_credentials(CertFiles(*(tmp_path / key for key in ("tls.crt", "tls.key", "ca.crt"))))
        dsn = urlsplit(secrets[f"{service}-secrets"]["dsn"].decode())
        assert (dsn.hostname, dsn.username) == ("zikao-db", f"zikao_{service}")
        assert dsn.password == secrets["zikao-db-passwords"][service].decode()
        assert parse_qs(dsn.query)["sslmode"] == ["verify-full"]
    auditor = urlsplit(secrets["auditor-secrets"]["dsn"].decode())
    assert auditor.username == "zikao_auditor"
    assert auditor.password == secrets["zikao-db-passwords"]["auditor"].decode()
    for service in ("registration", "tickets"):
        (tmp_path / "keys.yaml").write_bytes(secrets[f"{service}-secrets"]["keys.yaml"])
        assert KeyRing.from_file(tmp_path / "keys.yaml").key_ids


def test_the_database_is_trusted_by_what_is_mounted(rendered: Rendered, secrets: Secrets) -> None:
    """The DSN names the authority's certificate where every pod that has a DSN finds it."""
    query = parse_qs(urlsplit(secrets["tickets-secrets"]["dsn"].decode()).query)
    for workload in ("Deployment/tickets", "Job/tickets-migrate-pre"):
        found = named(rendered["overlay-kind"], *workload.split("/"))
        container = found["spec"]["template"]["spec"]["containers"][0]
        assert mounted_files(found, container)[query["sslrootcert"][0]][0] == "Secret/zikao-db-ca"


def test_secrets_for_trying_stay_the_same(tmp_path: Path) -> None:
    """Made again, keys and passwords are those that the data in the database needs."""
    assert make_secrets(tmp_path) == make_secrets(tmp_path)
    assert (tmp_path / "secrets.yaml").stat().st_mode & 0o077 == 0


def test_a_province_is_told_which_secrets_it_must_bring(rendered: Rendered) -> None:
    """docs/operations.md names each Secret, with its keys, that no part of the overlay makes."""
    documents = rendered["overlay-province"]
    made = {one["spec"]["secretName"] for one in documents if one["kind"] == "Certificate"}
    # CloudNativePG makes that of its own authority.
    made |= {"zikao-db-ca"}
    page = (ROOT / "docs" / "operations.md").read_text()
    for name, keys in secrets_needed(documents).items():
        if name not in made:
            row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
            assert all(f"`{key}`" in row for key in keys), row


PLAYED_KUBECTL = """#!/bin/bash
echo "$@" >>"$KUBECTL_LOG"
case "$*" in
  *"version --client"*) echo "Kustomize Version: v5.5.0" ;;
  kustomize*) cat "$RENDERED" ;;
  *"get job"*) echo "tickets-migrate=$JOB_ENDS" ;;
  *"get configmap zikao-trust"*) exit "$TRUSTS" ;;
  *"get secret zikao-ca"*) echo "an authority" | base64 ;;
esac
"""


def database(kind: str, name: str) -> Document:
    """As much of a database's document as a roll-out looks at."""
    metadata = {"labels": {"name": "no"}, "name": name, "namespace": "zikao"}
    return {"apiVersion": "some/v1", "kind": kind, "metadata": metadata, "spec": {"name": "no"}}


def roll_out(
    tmp_path: Path,
    *words: str,
    job_ends: str = "Complete",
    trusts: bool = True,
    rendered: Sequence[Document] = (database("Cluster", "zikao-db"),),
) -> tuple[int, list[str]]:
    """Exit code of scripts/roll_out, and what it asked a kubectl that is played to do."""
    manifest = tmp_path / "rendered.yaml"
    manifest.write_text(yaml.safe_dump_all(rendered))
    log = tmp_path / "log"
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(PLAYED_KUBECTL)
    kubectl.chmod(0o755)
    played = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "KUBECTL_LOG": str(log)}
    played |= {"RENDERED": str(manifest)}
    played |= {"JOB_ENDS": job_ends, "TRUSTS": "0" if trusts else "1"}
    run = subprocess.run(
        [ROOT / "scripts" / "roll_out", *words], env=os.environ | played, check=False
    )
    return run.returncode, [line for line in log.read_text().splitlines() if "apply" in line]


def steps_of(lines: list[str]) -> list[str]:
    """The selector of each apply."""
    return [line.rpartition(" ")[2] for line in lines]


def test_a_rollout_goes_step_by_step(tmp_path: Path) -> None:
    """What programs need, then `pre`, then the services, then `post`."""
    code, lines = roll_out(tmp_path, "kind")
    turns = ["!zikao/step", "zikao/step=pre", "zikao/step=serve", "zikao/step=post"]
    assert (code, steps_of(lines)) == (0, turns)


@pytest.mark.parametrize(
    ("overlay", "waits"),
    [
        ("overlay-kind", "rollout status statefulset/zikao-db "),
        ("overlay-province", "wait cluster.postgresql.cnpg.io/zikao-db "),
    ],
)
def test_a_rollout_waits_for_the_database_that_is_rendered(
    rendered: Rendered, tmp_path: Path, overlay: str, waits: str
) -> None:
    """Whatever kind it is."""
    code, _ = roll_out(tmp_path, overlay.partition("-")[2], rendered=rendered[overlay])
    asked = [line for line in (tmp_path / "log").read_text().splitlines() if "zikao-db" in line]
    assert (code, len(asked)) == (0, 1)
    assert waits in asked[0]


def test_a_rollout_waits_for_a_database_of_another_name(tmp_path: Path) -> None:
    """After a restore it has one; without any, or with two, nothing at all is applied."""
    restored = database("Cluster", "zikao-db-2")
    code, _ = roll_out(tmp_path, "province", rendered=[restored])
    assert code == 0
    assert "wait cluster.postgresql.cnpg.io/zikao-db-2 " in (tmp_path / "log").read_text()
    for wrong in ([], [restored, database("Cluster", "zikao-db")]):
        (tmp_path / "log").unlink()
        code, lines = roll_out(tmp_path, "province", rendered=wrong)
        assert (code, lines) == (1, [])


@pytest.mark.parametrize("trusts", [True, False])
def test_the_first_rollout_says_who_is_trusted(tmp_path: Path, trusts: bool) -> None:
    """It makes the ConfigMap of the authority; one that is there, maybe of two, it leaves alone."""
    code, _ = roll_out(tmp_path, "province", trusts=trusts)
    log = (tmp_path / "log").read_text()
    made = "create configmap zikao-trust --from-literal=ca.crt=an authority" in log
    assert (code, made) == (0, not trusts)


def test_no_service_is_rolled_out_after_a_migration_that_failed(tmp_path: Path) -> None:
    """New code never meets a schema that it does not know, and the exit code says so."""
    code, lines = roll_out(tmp_path, "kind", job_ends="Failed")
    assert (code, steps_of(lines)[-1]) == (1, "zikao/step=pre")


def test_an_upgrade_can_stop_where_it_can_go_back(tmp_path: Path) -> None:
    """Without `post` the release before still runs on the schema."""
    code, lines = roll_out(tmp_path, "kind", "--without-post")
    assert (code, steps_of(lines)[-1]) == (0, "zikao/step=serve")


def test_one_portals_gateway_leads_on_what_a_portal_calls(rendered: Rendered) -> None:
    """It stands before each service with a method for people or portals, and before no other."""
    routed = {
        match["method"]["service"]
        for route in of_kind(rendered["component-gateway-api-grpcroute"], "GRPCRoute")
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
    }
    for_portals = {
        method.containing_service.full_name
        for method in methods()
        for access in [method.GetOptions().Extensions[options_pb2.access]]
        if access.anyone
        or options_pb2.ROLE_CANDIDATE in access.roles
        or "portal" in access.services
    }
    assert routed == for_portals


SERVERS = {(service, "kube-system", 53) for service in SERVICES}
BETWEEN = {
    ("enrollment", "registration", 7100),
    ("tickets", "registration", 7100),
    ("tickets", "enrollment", 7100),
}
JOBS = [f"{service}-migrate-{phase}" for service in SERVICES for phase in ("pre", "post")]
# Begun by hand, and as near to the database as they.
JOBS += ["registration-reencrypt", "tickets-reencrypt"]
JOBS += [f"{service}-verify-audit-log" for service in SERVICES]
EVERYWHERE = (
    SERVERS
    | BETWEEN
    | {("portal", service, 7100) for service in SERVICES}
    | {("monitoring", service, 9100) for service in SERVICES}
    | {(job, "kube-system", 53) for job in JOBS}
    | {(job, "zikao-db", 5432) for job in JOBS}
    | {("zikao-db", "kube-system", 53)}
)
FLOWS = {
    "overlay-kind": EVERYWHERE
    | {(service, "zikao-db", 5432) for service in SERVICES}
    | {("enrollment", "payment-platform", 7100), ("payment-platform", "enrollment", 7100)}
    | {("payment-platform", "kube-system", 53)},
    "overlay-province": EVERYWHERE
    | {(service, "zikao-db-pooler", 5432) for service in SERVICES}
    | {("gateway", service, 7100) for service in SERVICES}
    | {("enrollment", "payment-platform-outside", 443)}
    | {("registration", "mail-sms-identity", port) for port in (443, 587)}
    | {("zikao-db-pooler", "zikao-db", 5432), ("zikao-db-pooler", "kube-system", 53)}
    | {("cnpg-system", "zikao-db", port) for port in (5432, 8000)}
    | {("monitoring", "zikao-db", 9187), ("monitoring", "zikao-db-pooler", 9127)}
    | {("zikao-db", "object-store", 443)}
    | {(name, "api-server", 6443) for name in ("zikao-db", "zikao-db-pooler")},
}


@pytest.mark.parametrize("overlay", FLOWS)
def test_the_network_lets_through_what_is_needed_and_nothing_else(
    rendered: Rendered, overlay: str
) -> None:
    """Of all pairs of pods, neighbours and addresses, and all ports, these and no others talk."""
    assert flows(rendered[overlay]) == FLOWS[overlay]


def test_a_province_rolls_out_the_release_that_is_next() -> None:
    """Each image of the services has the version of pyproject.toml, as a release has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    kustomization = ROOT / "deploy" / "k8s" / "overlays" / "province" / "kustomization.yaml"
    images = yaml.safe_load(kustomization.read_text())["images"]
    tags = [one["newTag"] for one in images]
    assert tags == [project.partition(".dev")[0]] * len(SERVICES)
