"""A copy of the project in which a file may be changed, and pytest run, without harm.

A copy rather than a patched process: what tests start as processes of their own, SQL and
migrations are mutated alike, and product code knows nothing of it. Its directories come before
those of the installed packages on PYTHONPATH; that they do is looked at first.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mutation.verdict import Result, read_results

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "libs",
    "libs/protos",
    "services/enrollment",
    "services/registration",
    "services/tickets",
)
# What must come from the copy, one of each directory.
LOOKED_AT = (
    "zikao_kit",
    "zikao.options",
    "zikao_enrollment",
    "zikao_registration",
    "zikao_tickets",
)
RESULTS = "mutation-results.xml"


class Run(NamedTuple):
    """How pytest ended: its exit code (None: it was stopped), and each test that ran."""

    exit_code: int | None
    results: Sequence[Result]
    output: str
    seconds: float


class Shadow:
    """One copy, in `directory`; tests in it use the cluster at `dsn`."""

    def __init__(self, directory: Path, dsn: str) -> None:
        self._root = directory
        self._dsn = dsn
        # Compiled files are told from their source by its time, in seconds, and size: each
        # version of a file gets a second of its own.
        self._times = itertools.count(int(time.time()))
        for name in _project_files():
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        self._require_precedence()

    @contextlib.contextmanager
    def changed(self, files: Mapping[str, str]) -> Iterator[None]:
        """Have other texts in files, and the project's afterwards."""
        originals = {name: (self._root / name).read_text(encoding="utf-8") for name in files}
        try:
            self._write(files)
            yield
        finally:
            self._write(originals)

    def run(self, tests: Sequence[str], timeout_seconds: float) -> Run:
        """Run tests, all of them whatever fails, and end whatever they have started."""
        begun, results = time.monotonic(), self._root / RESULTS
        results.unlink(missing_ok=True)
        options = ("-q", "-p", "no:cacheprovider", f"--junitxml={results}")
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=self._root,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=timeout_seconds)
            exit_code: int | None = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, exit_code = process.communicate()[0], None
        found = read_results(results) if results.exists() else ()
        return Run(exit_code, found, output, time.monotonic() - begun)

    def _write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path, moment = self._root / name, next(self._times)
            path.write_text(text, encoding="utf-8")
            os.utime(path, (moment, moment))

    def _environment(self) -> dict[str, str]:
        paths = os.pathsep.join(str(self._root / name) for name in PACKAGES)
        return os.environ | {"PYTHONPATH": paths, "ZIKAO_TEST_DSN": self._dsn}

    def _require_precedence(self) -> None:
        """Make sure that the copy is what tests import."""
        source = "\n".join(
            f"import {name} as each; print(list(each.__path__)[0])" for name in LOOKED_AT
        )
        asked = subprocess.run(
            [sys.executable, "-c", source],
            cwd=self._root,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        for place in asked.stdout.splitlines():
            if not Path(place).is_relative_to(self._root):
                raise RuntimeError(f"{place} is imported instead of the copy in {self._root}")


def _project_files() -> Iterator[str]:
    """What is committed, or new and not ignored."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT.resolve()}", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if not name.startswith("docs/") and (ROOT / name).is_file():
            yield name
