"""Puts together what goes into the image of a service: `image_context.py SERVICE FOLDER`.

requirements.txt   what requirements.lock has for the service, with its checksums
wheels/            those packages
installer/         the wheel of the program that installs them in the image
code/              the service's package, and what all share
fonts/             of Debian's packages, for tickets alone
entry              the command

Packages are fetched here, by whatever way this machine's pip and apt know, so that an image
needs no way to them, and has no trace of it.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parent.parent
SERVICES = ("registration", "enrollment", "tickets")
# The payment platform of rehearsals, for a cluster to try on.
SANDBOX = "sandbox"
# What of its own a service may also be told to do.
MORE_EXTRAS = ("tracing",)
SHARED_CODE = ("libs/protos/buf", "libs/protos/zikao", "libs/zikao_kit")
INSTALLER = "uv"
PYTHON = "3.11"
# The image's Debian 12 has glibc 2.36.
GLIBC = ("2_34", "2_31", "2_28", "2_27", "2_26", "2_24", "2_17", "2014", "2010", "1")
PROJECT = "zikao (pyproject.toml)"
FONT_FILES: Mapping[str, tuple[str, ...]] = {
    "fonts-noto-cjk": (
        "usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
        "usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc",
    ),
    "fonts-babelstone-han": ("usr/share/fonts/truetype/babelstone/BabelStoneHan.ttf",),
}


@dataclass(frozen=True)
class Locked:
    """A package of requirements.lock: its lines, and who needs it."""

    name: str
    version: str
    text: str
    wanted_by: frozenset[str]


def main() -> None:
    """Make the folder what it has to be."""
    service, folder = sys.argv[1], Path(sys.argv[2])
    if service not in (*SERVICES, SANDBOX):
        sys.exit(f"no service: {service}")
    packages, installer = needed(service), locked()[INSTALLER]
    pool = folder.parent / "wheels"
    wheels = fetch([*packages, installer], pool)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "requirements.txt").write_text("".join(package.text for package in packages))
    _fill(folder / "wheels", [wheels[package.name] for package in packages])
    _fill(folder / "installer", [wheels[INSTALLER]])
    _copy_code(folder / "code", service)
    shutil.copy(ROOT / "deploy/docker/entry", folder / "entry")
    _put_fonts(
        folder / "fonts", folder.parent / "fonts", FONT_FILES if service == "tickets" else {}
    )


def needed(service: str) -> list[Locked]:
    """What the lock has for a service: what all need, its extras, and what those need."""
    project = _project()
    extras = [project["optional-dependencies"][name] for name in (service, *MORE_EXTRAS)]
    stated = chain(project["dependencies"], *extras)
    names: set[str] = {canonicalize_name(Requirement(text).name) for text in stated}
    packages = locked()
    if missing := names - set(packages):
        sys.exit(f"requirements.lock lacks {', '.join(sorted(missing))}: make lock")
    while more := {p.name for p in packages.values() if p.wanted_by & names} - names:
        names |= more
    return [packages[name] for name in sorted(names)]


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


def locked() -> dict[str, Locked]:
    """What of requirements.lock is for an image, by name."""
    environment = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": platform.machine(),
        "platform_python_implementation": "CPython",
        "python_full_version": f"{PYTHON}.0",
        "python_version": PYTHON,
        "sys_platform": "linux",
    }
    packages = {}
    for text in _blocks((ROOT / "requirements.lock").read_text().splitlines(keepends=True)):
        pin, _, marker = text.splitlines()[0].removesuffix(" \\").partition(" ; ")
        if not marker or Marker(marker).evaluate(environment):
            name, _, version = pin.partition("==")
            wanted_by = text.rpartition("# via ")[2].strip().split(", ")
            packages[name] = Locked(name, version, text, frozenset(wanted_by))
    return packages


def _blocks(lines: Iterable[str]) -> Iterator[str]:
    """The lines of each package, which begin at the margin."""
    block: list[str] = []
    for line in lines:
        if block and not line[0].isspace():
            yield "".join(block)
            block = []
        block.append(line)
    yield "".join(block)


def fetch(packages: Iterable[Locked], pool: Path) -> dict[str, Path]:
    """A wheel of each package by its name, kept in `pool`; pip compares checksums."""
    pool.mkdir(parents=True, exist_ok=True)
    wanted = {package.name: package for package in packages}
    there = _wheels_in(pool)
    if missing := [p for name, p in wanted.items() if (name, p.version) not in there]:
        _download(missing, pool)
        there = _wheels_in(pool)
    return {name: there[name, package.version] for name, package in wanted.items()}


def _wheels_in(pool: Path) -> dict[tuple[str, str], Path]:
    names = {path: parse_wheel_filename(path.name) for path in pool.glob("*.whl")}
    return {(name, str(version)): path for path, (name, version, _, _) in names.items()}


def _download(packages: list[Locked], pool: Path) -> None:
    machine = platform.machine()
    platforms = [f"--platform=manylinux{'_' * ('_' in glibc)}{glibc}_{machine}" for glibc in GLIBC]
    with tempfile.TemporaryDirectory(dir=pool) as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("".join(package.text for package in packages))
        _run(
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--require-hashes", "--only-binary=:all:"),
            *(f"--python-version={PYTHON}", "--implementation=cp", *platforms),
            *("--dest", folder, "-r", str(requirements)),
        )
        for wheel in Path(folder).glob("*.whl"):
            wheel.replace(pool / wheel.name)


def _fill(folder: Path, files: Iterable[Path]) -> None:
    """Have just these files in a folder, without copies of what is large."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in files:
        os.link(file, folder / file.name)


def _package_of(service: str) -> str:
    parent = "libs" if service == SANDBOX else f"services/{service}"
    return f"{parent}/zikao_{service}"


def _copy_code(folder: Path, service: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", "*.pyi")
    for name in (*SHARED_CODE, _package_of(service)):
        source = ROOT / name
        shutil.copytree(source, folder / source.name, ignore=unwanted)
    _put_metadata(folder)


def _put_metadata(folder: Path) -> None:
    """What Python tells of an installed package: the code asks for its version."""
    project = _project()
    about = folder / f"{project['name']}-{project['version']}.dist-info" / "METADATA"
    about.parent.mkdir()
    fields = {
        "Metadata-Version": "2.4",
        "Name": project["name"],
        "Version": project["version"],
        "License-Expression": project["license"],
    }
    about.write_text("".join(f"{name}: {value}\n" for name, value in fields.items()))


def _put_fonts(folder: Path, pool: Path, files: Mapping[str, tuple[str, ...]]) -> None:
    """The files of Debian's packages at their places, and what dpkg would know of them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for package, names in files.items():
        unpacked = pool / package
        if not (unpacked / "DEBIAN/control").exists():
            _fetch_debian(package, unpacked)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.link(unpacked / name, folder / name)
        about = folder / "var/lib/dpkg/status.d" / package
        about.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(unpacked / "DEBIAN/control", about)
        copyright_file = Path("usr/share/doc") / package / "copyright"
        (folder / copyright_file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(unpacked / copyright_file, folder / copyright_file)


def _fetch_debian(package: str, unpacked: Path) -> None:
    """Unpack a Debian package that apt has checked, or one that lies in the pool already."""
    pool = unpacked.parent
    pool.mkdir(parents=True, exist_ok=True)
    if not (found := list(pool.glob(f"{package}_*.deb"))):
        try:
            _run("apt-get", "-q", "download", package, cwd=pool)
        except subprocess.CalledProcessError:  # a new machine knows no packages yet
            lock = Path(tempfile.gettempdir()) / "zikao-apt.lock"  # others of ours want it, too
            _run("flock", str(lock), "apt-get", "-q", "update")
            _run("apt-get", "-q", "download", package, cwd=pool)
        found = list(pool.glob(f"{package}_*.deb"))
    shutil.rmtree(unpacked, ignore_errors=True)
    _run("dpkg-deb", "--raw-extract", str(found[0].absolute()), str(unpacked.absolute()))


def _run(*command: str, cwd: Path = ROOT) -> None:
    subprocess.run(command, cwd=cwd, check=True, stdin=subprocess.DEVNULL)  # noqa: S603 - ours


if __name__ == "__main__":
    main()
