"""Renders every overlay, and every component on the services' base: `manifests.py FOLDER`.

overlay-kind.yaml, overlay-province.yaml   to be applied (docs/operations.md)
component-….yaml                           to be read: what a component adds
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
K8S = ROOT / "deploy" / "k8s"
# Rendered with what it goes with.
GOES_WITH = {"gateway-api-grpcroute": ("gateway-api",)}
IMAGES = "".join(
    f"  - {{name: zikao/{name}, newTag: rendered}}\n"
    for name in ("registration", "enrollment", "tickets", "sandbox")
)


def main() -> None:
    """Write the files; end with what kustomize says when it refuses one."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as scratch, ThreadPoolExecutor(4) as pool:
        kustomize()
        folders = {f"overlay-{path.name}": path for path in overlays()}
        for path in components():
            folders[f"component-{path.name}"] = _on_the_base(path, Path(scratch))
        for name, text in zip(folders, pool.map(render, folders.values()), strict=True):
            (target / f"{name}.yaml").write_text(text)
    sys.stdout.write(f"{len(folders)} manifests in {target}\n")


def overlays() -> list[Path]:
    """The folders that are applied."""
    return sorted(path.parent for path in K8S.glob("overlays/*/kustomization.yaml"))


def components() -> list[Path]:
    """What overlays choose from."""
    return sorted(path.parent for path in K8S.glob("components/*/kustomization.yaml"))


def render(folder: Path) -> str:
    """What kustomize makes of a folder."""
    run = subprocess.run(  # noqa: S603 - our own script says which program
        [*kustomize(), folder], capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise SystemExit(f"{folder}: {run.stderr}")
    return run.stdout


@functools.cache
def kustomize() -> list[str]:
    """The program that renders, with its first words."""
    script = ROOT / "scripts" / "kustomize"
    said = subprocess.run([script, "--command"], check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return said.stdout.split()


def _on_the_base(component: Path, scratch: Path) -> Path:
    """A folder that puts a component on the base: kustomize wants relative ways to both."""
    folder = scratch / component.name
    folder.mkdir()
    chosen = (*GOES_WITH.get(component.name, ()), component.name)
    lines = "".join(f"  - {_way(folder, K8S / 'components' / name)}\n" for name in chosen)
    base = _way(folder, K8S / "base")
    (folder / "kustomization.yaml").write_text(
        f"resources:\n  - {base}\ncomponents:\n{lines}images:\n{IMAGES}"
    )
    return folder


def _way(start: Path, end: Path) -> str:
    return os.path.relpath(end.resolve(), start.resolve())


if __name__ == "__main__":
    main()
