"""The Secrets that a machine to try on gets, from the script that makes them."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import yaml
from support.manifests.documents import ROOT

Secrets = dict[str, dict[str, bytes]]


def make_secrets(folder: Path) -> Secrets:
    """What scripts/kind_secrets.py writes, by name and key."""
    script = ROOT / "scripts" / "kind_secrets.py"
    subprocess.run([sys.executable, script, folder], check=True, stdout=subprocess.PIPE)
    documents = yaml.safe_load_all((folder / "secrets.yaml").read_text())
    return {
        one["metadata"]["name"]: {k: base64.b64decode(v) for k, v in one["data"].items()}
        for one in documents
    }
