"""Everything that can be applied, rendered once a process of the run."""

from __future__ import annotations

import pytest
from support.manifests.documents import Document, render_all


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Document]]:
    """What `make manifests` writes: by name, overlay-… and component-…."""
    return render_all(tmp_path_factory.mktemp("manifests"))
