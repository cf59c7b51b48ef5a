"""The code of a commit, laid out in a folder and run by this environment's interpreter.

    release = releases()[0]
    code = lay_out(release.commit, folder)
    subprocess.run(code.command("zikao_enrollment", "serve", …), env=code.environment())

The libraries are this environment's; everything of zikao comes from the folder and from nowhere
else, although this environment has today's zikao installed (`ONLY_HERE`).
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backports import tarfile
from support.services import SERVICES

ROOT = Path(__file__).parents[2]
# What is imported, as pyproject.toml has it.
PLACES = ("libs", "libs/protos", *(f"services/{service}" for service in SERVICES))
# Python runs it in every process, also in those that a process spawns: after the path of this
# environment is complete, and before anything of ours is imported. A namespace package such as
# `zikao` would else be put together from both.
ONLY_HERE = '''"""Of zikao nothing is imported but what is in PYTHONPATH."""
import os
import sys

_own = os.environ["PYTHONPATH"].split(os.pathsep)


def _has_ours(place):
    try:
        names = os.listdir(place)
    except OSError:
        return False
    return any(name == "zikao" or name.startswith("zikao_") for name in names)


sys.path[:] = [place for place in sys.path if place in _own or not _has_ours(place)]
'''


class CodeNotThereError(Exception):
    """The code of a commit cannot be had from this clone; the text says what to do."""


@dataclass(frozen=True)
class Release:
    """A line of releases.toml."""

    version: str
    commit: str


@dataclass(frozen=True)
class Code:
    """Code that can be run: where it is, and where its processes find that nothing else is."""

    root: Path
    guard: Path

    def environment(self) -> Mapping[str, str]:
        """Variables of a process that imports zikao from here alone."""
        places = (str(self.guard), *(str(self.root / place) for place in PLACES))
        # Without the folder it is started in; and compiled once, not in each process.
        ours = {"PYTHONPATH": os.pathsep.join(places), "PYTHONSAFEPATH": "1"}
        rest = {key: value for key, value in os.environ.items() if not _is_not_told(key)}
        return rest | ours

    def command(self, module: str, *arguments: str) -> tuple[str, ...]:
        """Command line that runs a module of it."""
        return (sys.executable, "-m", module, *arguments)

    def says(self, program: str) -> str:
        """Run a few lines of Python on this code; what they print."""
        command = (sys.executable, "-c", program)
        done = subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()


_NOT_TOLD = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHOME"}


def _is_not_told(variable: str) -> bool:
    # Settings come from files alone: a variable of another test may be unknown to old code.
    return variable in _NOT_TOLD or (variable.startswith("ZIKAO_") and "__" in variable)


def releases(file: Path = ROOT / "releases.toml") -> list[Release]:
    """The releases, the newest first."""
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    return [Release(each["version"], each["commit"]) for each in content["release"]]


def today(folder: Path) -> Code:
    """The code of this working copy."""
    return Code(ROOT, _guard(folder))


def lay_out(commit: str, folder: Path, repository: Path = ROOT) -> Code:
    """The code of a commit, in `folder`. Raises CodeNotThereError."""
    content = git("archive", commit, "libs", "services", repository=repository)
    root = folder / commit
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(root, filter="data")
    return Code(root, _guard(folder))


def git(*arguments: str, repository: Path = ROOT) -> bytes:
    """What git prints; CodeNotThereError when it cannot say that."""
    try:
        done = subprocess.run(
            (*_git(repository), *arguments), cwd=repository, capture_output=True, check=False
        )
    except FileNotFoundError as error:
        raise CodeNotThereError(
            "git is not installed: the code of releases comes from it"
        ) from error
    if done.returncode:
        raise CodeNotThereError(_advice(" ".join(arguments), done.stderr.decode(), repository))
    return done.stdout


def _git(repository: Path) -> tuple[str, ...]:
    """The folder may belong to somebody else than who runs the tests."""
    return ("git", "-c", f"safe.directory={repository.resolve()}")


def _advice(command: str, said: str, repository: Path) -> str:
    shallow = (*_git(repository), "rev-parse", "--is-shallow-repository")
    known = subprocess.run(shallow, cwd=repository, capture_output=True, text=True, check=False)
    if known.returncode:
        what = "this is no clone of the project: the tests need one, with its history"
    elif known.stdout.strip() == "true":
        what = "this clone is shallow: run `git fetch --unshallow`"
    else:
        what = "run `git fetch origin`; does releases.toml name a commit of this history?"
    return f"git {command}: {said.strip()}\n{what}"


def _guard(folder: Path) -> Path:
    guard = folder / "guard"
    guard.mkdir(parents=True, exist_ok=True)
    (guard / "sitecustomize.py").write_text(ONLY_HERE, encoding="utf-8")
    return guard
