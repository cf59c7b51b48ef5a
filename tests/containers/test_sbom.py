"""`make sbom`: what an image is said to contain is what it contains."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import image_context
import pytest
import sbom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from support.images import image_of, run_in
from support.services import SERVICES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    """Each of them."""
    return str(request.param)


@pytest.fixture(scope="module")
def text(service: str) -> str:
    """The list of the service's image."""
    return str(sbom.listed(image_of(service)))


def packages_in(text: str, kind: str) -> dict[str, str]:
    """Versions by name of one kind of packages."""
    found: list[dict[str, Any]] = json.loads(text)["components"]
    return {
        each["name"]: each["version"]
        for each in found
        if each.get("purl", "").startswith(f"pkg:{kind}/")
    }


def test_it_is_valid_cyclonedx(text: str) -> None:
    """Against the strict schema of version 1.6, and not when a component has no name."""
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    broken = json.loads(text)
    del broken["components"][0]["name"]
    assert validator.validate_str(json.dumps(broken)) is not None


def test_it_has_just_what_the_lock_has(service: str, text: str) -> None:
    """The image has every Python package of requirements.lock that it needs, and no other."""
    listed = {plain(name): version for name, version in packages_in(text, "pypi").items()}
    needed = image_context.needed(service)
    assert listed == {package.name: package.version for package in needed}


def test_it_has_what_debian_has_installed(service: str, text: str) -> None:
    """Debian's packages with their versions, and for tickets the two of fonts."""
    said = run_in(service, "dpkg-query", "--show", "--showformat", "${Package} ${Version}\n")
    installed = dict(line.split() for line in said.splitlines())
    listed = packages_in(text, "deb")
    fonts = {name for name in listed if name.startswith("fonts-")}
    wanted = {"fonts-noto-cjk", "fonts-babelstone-han"} if service == "tickets" else set()
    assert fonts == wanted
    assert {name: listed[name] for name in listed.keys() - fonts} == installed


def test_it_is_the_same_again(service: str, text: str) -> None:
    """Two lists of one image differ in nothing: what differs is another image."""
    assert sbom.listed(image_of(service)) == text


def plain(name: str) -> str:
    """A package's name as the lock writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()
