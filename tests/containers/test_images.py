"""What the images are, and what they are not."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from support.images import hardened, image_of, run_in
from support.services import SERVICES

OF_SERVICES = {f"zikao_{service}" for service in SERVICES}
OF_NONE = {"zikao_ctl", "zikao_sandbox", "zikao_client", "pytest", "mplfonts"}
INSTALLERS = {"pip", "setuptools", "ensurepip", "uv"}
TOOLS = ("pip", "pip3", "uv", "gcc", "cc", "make", "git", "curl", "wget")
SETTINGS = {
    "PATH": "/opt/zikao/bin:/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}
# What a public Python image says of itself.
BASE_SETTINGS = {"GPG_KEY", "PYTHON_VERSION", "PYTHON_SHA256"}
START_SECONDS, END_SECONDS = 60.0, 20
ENDED_BY_SIGTERM = 143
TELLTALE = ("password", "secret", "token", "proxy", "index-url", "index_url", "pip.conf", "://")

pytestmark = pytest.mark.parametrize("service", SERVICES)


def inspected(service: str) -> Any:
    """What the engine knows of an image."""
    words = ["docker", "image", "inspect", image_of(service)]
    return json.loads(subprocess.run(words, check=True, capture_output=True).stdout)[0]


def found_in(service: str, *conditions: str) -> list[str]:
    """The files of an image, all of which root may see, that `find` finds."""
    return run_in(service, "find", "/", "-xdev", *conditions, user="0").split()


def python_in(service: str, script: str, *arguments: str) -> Any:
    """What a script of Python says in the image, as JSON."""
    return json.loads(run_in(service, "python", "-c", script, *arguments))


def test_it_says_how_it_is_run(service: str) -> None:
    """Nobody's user, the service's command, SIGTERM, the ports, and what it is in labels."""
    config = inspected(service)["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == [f"zikao-{service}"]
    assert config["Cmd"] == ["serve", "--config", "/etc/zikao/config.yaml"]
    assert config["StopSignal"] == "SIGTERM"
    assert set(config["ExposedPorts"]) == {"7100/tcp", "7180/tcp", "9100/tcp"}
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items()}
    assert labels["title"] == f"zikao {service}"
    assert labels["licenses"] == "Apache-2.0"
    assert {"version", "revision", "name"} <= set(labels)


def test_it_has_its_own_code_and_no_tools(service: str) -> None:
    """The kit and the service; no other service, no test, no installer, no compiler."""
    script = (
        "import importlib.util, json, shutil, sys\n"
        "names, tools = (words.split(',') for words in sys.argv[1:])\n"
        "found = [name for name in names if importlib.util.find_spec(name)]\n"
        "print(json.dumps([found, [tool for tool in tools if shutil.which(tool)]]))"
    )
    names = {"zikao_kit"} | OF_SERVICES | OF_NONE | INSTALLERS
    found, tools = python_in(service, script, ",".join(names), ",".join(TOOLS))
    assert set(found) == {"zikao_kit", f"zikao_{service}"}
    assert tools == []
    assert found_in(service, "-path", "/opt/zikao-code/*", "-name", "test*") == []


def test_all_code_is_compiled(service: str) -> None:
    """Every module of ours and of what it needs has its bytecode: nobody can write it later."""
    script = (
        "import importlib.util, json, pathlib\n"
        "print(json.dumps([str(path) for path in pathlib.Path('/opt').rglob('*.py')\n"
        "    if not pathlib.Path(importlib.util.cache_from_source(path)).exists()]))"
    )
    assert python_in(service, script) == []


def test_only_tickets_has_fonts(service: str) -> None:
    """Three fonts that together have rare characters, where something is printed."""
    found = found_in(service, "-regex", r".*\.\(ttf\|ttc\|otf\)")
    wanted = ["BabelStoneHan.ttf", "NotoSansCJK-Regular.ttc", "NotoSerifCJK-Regular.ttc"]
    assert sorted(Path(name).name for name in found) == (wanted if service == "tickets" else [])


def test_nothing_changes_who_one_is(service: str) -> None:
    """No file has the bits that make its runner somebody else."""
    assert found_in(service, "-type", "f", "-perm", "/6000") == []


def test_nobody_could_change_the_code(service: str) -> None:
    """Even without the read-only root the service's user owns nothing and may write nowhere."""
    writable = ("-perm", "-o+w", "-o", "-user", "10001", "-o", "-group", "10001")
    found = found_in(service, "-not", "-type", "l", "(", *writable, ")")
    assert set(found) <= {"/tmp", "/var/tmp", "/run/lock"}


def test_it_keeps_no_secret_and_nothing_of_the_builder(service: str) -> None:
    """Environment, history and settings of package managers name no secret, host or proxy."""
    variables = dict(line.split("=", 1) for line in inspected(service)["Config"]["Env"])
    assert variables.items() >= SETTINGS.items()
    assert set(variables) - set(SETTINGS) <= BASE_SETTINGS
    history = ["docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", image_of(service)]
    told = subprocess.run(history, check=True, capture_output=True, text=True).stdout.lower()
    assert [word for word in TELLTALE if word in told] == []
    assert found_in(service, "-name", "pip.conf", "-o", "-name", "uv.toml") == []
    assert run_in(service, "cat", "/etc/apt/sources.list", "/etc/resolv.conf").find("://") == -1


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_it_ends_when_told_before_it_has_begun(service: str, command: str, tmp_path: Path) -> None:
    """SIGTERM ends the first process also while it reads its configuration; nobody kills it."""
    pipe = tmp_path / "config.yaml"
    os.mkfifo(pipe)
    for path, mode in ((tmp_path, 0o755), (pipe, 0o444)):
        path.chmod(mode)
    container = hardened(service).with_volume_mapping(str(tmp_path), "/etc/zikao", "ro")
    with container.with_command([command, "--config", "/etc/zikao/config.yaml"]):
        writer = opened_when_read(pipe)
        try:
            wrapped = container.get_wrapped_container()
            wrapped.stop(timeout=END_SECONDS)
            assert wrapped.wait()["StatusCode"] == ENDED_BY_SIGTERM
        finally:
            os.close(writer)


def opened_when_read(pipe: Path) -> int:
    """The other end of a pipe, once somebody reads it."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > deadline:
                raise
        time.sleep(0.05)
