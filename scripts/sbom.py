"""Lists what is in the services' images, as CycloneDX: `sbom.py TAG FOLDER [SERVICE...]`.

The images themselves are asked: for the Python packages in their environment, and for what
dpkg has installed. FOLDER gets a `<service>.cdx.json` each, valid against CycloneDX's schema,
and the same again for the same image.
"""

from __future__ import annotations

import email
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

SERVICES = ("registration", "enrollment", "tickets")
OURS = "zikao"
# Longer ones are a license's whole text.
MAX_LICENSE_NAME = 80
# Run in the image by its own Python.
QUESTIONS = """
import glob, json, pathlib, platform
from importlib.metadata import distributions
fields = ("Name", "Version", "License-Expression", "License")
status = ["/var/lib/dpkg/status", *sorted(glob.glob("/var/lib/dpkg/status.d/*"))]
print(json.dumps({
    "python": platform.python_version(),
    "system": platform.freedesktop_os_release(),
    "distributions": [{f: d.metadata.get(f) for f in fields} for d in distributions()],
    "dpkg": [pathlib.Path(name).read_text() for name in status],
}))
"""


def main() -> None:
    """Write the lists of the images with a tag."""
    tag, folder, services = sys.argv[1], Path(sys.argv[2]), sys.argv[3:] or SERVICES
    folder.mkdir(parents=True, exist_ok=True)
    for service in services:
        text = listed(f"zikao/{service}:{tag}")
        (folder / f"{service}.cdx.json").write_text(text)
        sys.stdout.write(f"{folder}/{service}.cdx.json: {len(json.loads(text)['components'])}\n")


def listed(image: str) -> str:
    """What is in an image, as CycloneDX's JSON."""
    (about,) = json.loads(_docker("image", "inspect", image))
    limits = ("--network", "none", "--read-only")
    words = ("run", "--rm", *limits, "--entrypoint=python", image, "-c", QUESTIONS)
    content = json.loads(_docker(*words))
    components = list(_components(content))
    name, _, tag = image.rpartition(":")
    url = PackageURL("oci", name=name.rpartition("/")[2], version=about["Id"])
    itself = Component(
        type=ComponentType.CONTAINER, name=name, version=tag, purl=url, bom_ref=url.to_string()
    )
    created = datetime.fromisoformat(about["Created"])
    bom = Bom(
        components=components,
        serial_number=uuid5(NAMESPACE_URL, about["Id"]),
        metadata=BomMetaData(component=itself, timestamp=created),
    )
    bom.register_dependency(itself, components)
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if (problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is not None:
        sys.exit(f"{image}: {problem}")
    return text


def _components(content: dict[str, Any]) -> Iterator[Component]:
    system, python = content["system"], content["python"]
    yield Component(
        type=ComponentType.OPERATING_SYSTEM,
        name=system["ID"],
        version=system["VERSION_ID"],
        bom_ref=system["ID"],
    )
    yield _component("python", python, PackageURL("generic", name="python", version=python))
    for found in content["distributions"]:
        name, version = found["Name"], found["Version"]
        license_name = found["License-Expression"] or found["License"] or ""
        # Our own code is in no index.
        url = PackageURL("generic" if name == OURS else "pypi", None, name, version)
        yield _component(name, version, url, license_name)
    distribution = f"{system['ID']}-{system['VERSION_ID']}"
    for text in content["dpkg"]:
        for paragraph in text.strip().split("\n\n"):
            package = email.message_from_string(paragraph)
            # What was removed may have left its configuration.
            if package.get("Status", "installed").endswith("installed"):
                name, version = package["Package"], package["Version"]
                qualifiers = {"arch": package["Architecture"], "distro": distribution}
                url = PackageURL("deb", system["ID"], name, version, qualifiers)
                yield _component(name, version, url)


def _component(name: str, version: str, url: PackageURL, license_name: str = "") -> Component:
    is_name = 0 < len(license_name) <= MAX_LICENSE_NAME and "\n" not in license_name
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        purl=url,
        bom_ref=url.to_string(),
        licenses=[LicenseFactory().make_from_string(license_name)] if is_name else None,
    )


def _docker(*words: str) -> str:
    command = ["docker", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603


if __name__ == "__main__":
    main()
