"""Everything that can be applied, rendered once a run."""

from __future__ import annotations

import fcntl
import os

import pytest
from support.manifests.documents import Document, read_all, render_all


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Document]]:
    """What `make manifests` writes: by name, overlay-… and component-….

    Processes of a run (pytest-xdist) have one folder in common: the first renders.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / "manifests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        target = shared / "rendered-manifests"
        if not target.exists():
            unfinished = target.with_suffix(".unfinished")
            render_all(unfinished)
            unfinished.rename(target)
    return read_all(target)
