"""What nobody may see, asked for at a terminal that does not show it, or read from descriptors.

Never from the command line: that is in the shell's history and in the list of processes.
"""

from __future__ import annotations

import getpass
import os
import warnings
from collections.abc import Mapping

MOST_BYTES = 1024


class NoAnswer(Exception):  # noqa: N818 - says what happened
    """There is nobody to ask, or a descriptor has nothing more."""


class SecretAnswers:
    """Answers by name; several may come from one descriptor, a line each, in turn."""

    def __init__(self, descriptors: Mapping[str, int | None]) -> None:
        """`descriptors`: for each name where to read, or None: the terminal."""
        self._descriptors = descriptors

    def is_person(self, name: str) -> bool:
        """Whether somebody answers who may be asked again."""
        return self._descriptors[name] is None

    def get(self, name: str, prompt: str) -> str:
        """One answer. Raises NoAnswer."""
        descriptor = self._descriptors[name]
        if descriptor is None:
            return _ask(name, prompt)
        try:
            return _read_line(descriptor)
        except (OSError, UnicodeDecodeError) as error:
            raise NoAnswer(f"--{name}-fd {descriptor}: {error}") from error


def _ask(name: str, prompt: str) -> str:
    with warnings.catch_warnings():
        # Where the terminal cannot be told to show nothing, nothing is asked.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"{prompt}: ")
        except (getpass.GetPassWarning, EOFError) as error:
            raise NoAnswer(f"there is no terminal to ask at: give --{name}-fd") from error


def _read_line(descriptor: int) -> str:
    """A line without its end, and nothing after it: that is the next answer's."""
    line = bytearray()
    while (byte := os.read(descriptor, 1)) not in (b"", b"\n"):
        line += byte
        if len(line) > MOST_BYTES:
            raise OSError(f"a line is longer than {MOST_BYTES} bytes")
    if not line and not byte:
        raise OSError("has ended")
    return line.removesuffix(b"\r").decode()
