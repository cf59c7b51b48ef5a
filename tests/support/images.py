"""The services' images: which a run of the tests takes, and containers as they are to be run."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from support.postgres import settle_reaper

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

TAG_VARIABLE = "ZIKAO_TEST_IMAGES"
USER = "10001:10001"


def chosen_tag() -> str | None:
    """The tag of the images to test; None where there are none."""
    return os.environ.get(TAG_VARIABLE)


def describe_choice() -> str:
    """Which images, in a line for people."""
    if tag := chosen_tag():
        return f"zikao/*:{tag} (testcontainers)"
    return f"none: {TAG_VARIABLE} names no images (make test-containers builds and tests them)"


def image_of(service: str) -> str:
    """The image under test."""
    assert chosen_tag(), describe_choice()
    return f"zikao/{service}:{chosen_tag()}"


def hardened(service: str, **more: Any) -> DockerContainer:
    """A container of a service with no more rights than it is to have; `more` is for the engine."""
    settle_reaper()
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - reads settings

    container = DockerContainer(image_of(service))
    container.tmpfs["/tmp"] = "size=256m,mode=1777"
    return container.with_kwargs(
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        user=USER,
        mem_limit="1g",
        pids_limit=512,
        **more,
    )


def run_in(service: str, *command: str, user: str = USER) -> str:
    """What a program of the image writes, run for a moment and cut off from every network."""
    limits = ["--rm", "--read-only", "--network", "none", "--user", user]
    options = [*limits, "--entrypoint", command[0]]
    words = ["docker", "run", *options, image_of(service), *command[1:]]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
