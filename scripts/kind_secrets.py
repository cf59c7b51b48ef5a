"""Writes the Secrets of the overlay `kind`: `kind_secrets.py FOLDER` makes FOLDER/secrets.yaml.

TEST DATA: keys and passwords made on this machine, to try on it. What is in the folder is used
again the next time, so that data in the database stays readable. A province has secrets of its own
(docs/operations.md).
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import yaml
from zikao_ctl.secret_files import SecretFiles
from zikao_kit.files import write_whole
from zikao_kit.roles import service_dsn
from zikao_kit.tls import DevelopmentCa

NAMESPACE = "zikao"
DATABASE = "zikao"
SERVICES = ("registration", "enrollment", "tickets")
SEALING = ("registration", "tickets")
# The role that only reads (roles.sql).
AUDITOR = "auditor"
# Who serves in the cluster, and who calls from the machine (through `kubectl port-forward`).
SERVERS = (*SERVICES, "payment-platform", "zikao-db")
CALLERS = ("operator", "office", "portal")
ADDRESS = (
    "postgresql://zikao-db:5432/zikao?sslmode=verify-full&sslrootcert=/etc/zikao/database-ca/ca.crt"
)

Files = dict[str, bytes]


def main() -> None:
    """Write the file, for its owner's eyes."""
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    secrets = {**_certificates(folder / "certs"), **_secrets(folder / "secrets")}
    documents = [_secret(name, files) for name, files in sorted(secrets.items())]
    write_whole(folder / "secrets.yaml", yaml.safe_dump_all(documents), 0o600)
    sys.stdout.write(f"{len(documents)} secrets (test data) in {folder / 'secrets.yaml'}\n")


def _certificates(folder: Path) -> dict[str, Files]:
    ca = DevelopmentCa(folder)
    made = {}
    for name in (*SERVERS, *CALLERS):
        files = ca.issue(name)
        made[f"{name}-tls"] = {
            "tls.crt": files.cert_file.read_bytes(),
            "tls.key": files.key_file.read_bytes(),
            "ca.crt": files.ca_file.read_bytes(),
        }
    return {**made, "zikao-db-ca": {"ca.crt": made["zikao-db-tls"]["ca.crt"]}}


def _secrets(folder: Path) -> dict[str, Files]:
    kept = SecretFiles(folder)
    made: dict[str, Files] = {
        "zikao-db-passwords": {"postgres": kept.password("postgres").encode()}
    }
    for service in SERVICES:
        password = kept.password(service)
        dsn = service_dsn(ADDRESS, DATABASE, service, password).encode()
        made["zikao-db-passwords"][service] = password.encode()
        # There is no pooler: migrations and the service come the same way.
        made[f"{service}-secrets"] = {"dsn": dsn, "direct-dsn": dsn}
        if service in SEALING:
            made[f"{service}-secrets"]["keys.yaml"] = kept.key_ring_file(service).read_bytes()
    password = kept.password(AUDITOR)
    made["zikao-db-passwords"][AUDITOR] = password.encode()
    made["auditor-secrets"] = {"dsn": service_dsn(ADDRESS, DATABASE, AUDITOR, password).encode()}
    return made


def _secret(name: str, files: Files) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/part-of": "zikao", "zikao/test-data": "true"},
        },
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in sorted(files.items())},
    }


if __name__ == "__main__":
    main()
