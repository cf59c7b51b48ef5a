"""Wrong paths in registration's configuration, as an operator meets them who starts the service."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from zikao_kit.crypto import KeyRing
from zikao_kit.tls import DevelopmentCa

MISSING, ENDED = "/nowhere/at-all", "ended with"
SENDER = {"host": "127.0.0.1", "sender": "no-reply@zikao.example"}
IDENTITY = {
    "issuer": "https://provider.example",
    "client_id": "registration",
    "client_secret_file": "SECRET",
    "redirect_uri": "https://portal.example/login",
}


def write_config(folder: Path, changes: dict[str, Any]) -> Path:
    """A configuration that is right but for `changes`; no database is there."""
    files = DevelopmentCa(folder / "certs").issue("registration")
    keys = folder / "keys.yaml"
    KeyRing.generate().write(keys)
    (folder / "SECRET").write_text("secret")
    tls = {"cert_file": files.cert_file, "key_file": files.key_file, "ca_file": files.ca_file}
    settings = {
        "server": _server({name: str(file) for name, file in tls.items()}),
        "database": {"dsn": "postgresql://zikao@127.0.0.1:1/zikao"},
        "key_ring_file": str(keys),
    }
    path = folder / "registration.yaml"
    path.write_text(yaml.safe_dump(settings | changes))
    return path


def _server(tls: dict[str, str]) -> dict[str, Any]:
    return {"listen": "127.0.0.1:0", "tls": tls, "drain_wait_seconds": 0}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"mail": {**SENDER, "ca_file": MISSING}}, "ca_file"),
    ({"mail": {**SENDER, "ca_file": "registration.yaml"}}, "ca_file registration.yaml"),
    ({"mail": {**SENDER, "user": "a", "password_file": MISSING}}, "secret"),
    ({"sms": {"url": "https://sms.example", "key_file": MISSING}}, "secret"),
    (
        {"sms": {"url": "https://s.example", "key_file": "SECRET", "ca_file": MISSING}},
        "ca_file",
    ),
    ({"identity_provider": IDENTITY | {"ca_file": MISSING}}, "ca_file"),
    ({"identity_provider": IDENTITY | {"client_secret_file": MISSING}}, "secret"),
    ({"rare_characters_file": MISSING}, "rare_characters_file"),
    ({"rare_characters_file": "SECRET"}, "rare_characters_file SECRET: expected a mapping"),
    ({"key_ring_file": MISSING}, "key file"),
    ({"server": _server(dict.fromkeys(("cert_file", "key_file", "ca_file"), MISSING))}, "tls"),
]

# Starts the service with one configuration after the other; what each said ends with a line.
PROGRAM = f"""
import sys
from zikao_registration.__main__ import main

for config in sys.argv[1:]:
    try:
        main(["serve", "--config=" + config])
    except SystemExit as ended:
        print("{ENDED}", ended.code, file=sys.stderr)
"""


def test_a_wrong_path_is_said_and_exits_with_2(tmp_path: Path) -> None:
    """The file is named, without a traceback, before any database is waited for."""
    configs = []
    for number, (changes, _) in enumerate(WRONG):
        (folder := tmp_path / str(number)).mkdir()
        configs.append(write_config(folder, changes))
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, configs)],
        cwd=configs[0].parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Traceback" not in ended.stdout + ended.stderr
    *each, rest = ended.stderr.split(f"{ENDED} 2\n")
    assert rest == ""
    for said, (changes, named) in zip(each, WRONG, strict=True):
        assert said.startswith("configuration refused:\n")
        assert named in said
        assert (MISSING in said) == (MISSING in str(changes))
