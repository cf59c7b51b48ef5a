"""What a mutant is: the project with one safety mechanism taken away, and the tests that notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class DoesNotApply(Exception):  # noqa: N818 - it is what happened
    """The text to be removed is not in its file exactly once: the mechanism has moved."""


@dataclass(frozen=True)
class Cut:
    """One change of a file (`file` below the project): `old`, there exactly once, becomes `new`."""

    file: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """The text of the file afterwards; raises DoesNotApply."""
        if (times := text.count(self.old)) != 1:
            raise DoesNotApply(f"{self.file} has it {times} times: {self.old!r}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Catch:
    """A test that has to fail, and a part of what it must say: it fails for this and nothing else.

    `test` is as pytest takes it, of the project's root, without parameters. `says` is looked for in
    its failure alone, not in the source that is printed with it. Where many things could say so (a
    timeout, a refusal that did not come) `at` is the line, or its beginning, that has to fail.
    """

    test: str
    says: str
    at: str = ""


@dataclass(frozen=True)
class Mutant:
    """A mechanism and how it is taken away, all cuts at once.

    `mechanism` is what it does, `removal` what is left without it, `harm` what that would mean
    for people: sentences for the page. More than one cut where guards cover one another:
    `removal` says so then. Every one of `catches` has to fail.
    """

    name: str
    mechanism: str
    removal: str
    harm: str
    cuts: tuple[Cut, ...]
    catches: tuple[Catch, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Where the mechanism is, each file once."""
        return tuple(dict.fromkeys(cut.file for cut in self.cuts))

    @property
    def tests(self) -> tuple[str, ...]:
        """What is run."""
        return tuple(dict.fromkeys(catch.test for catch in self.catches))

    def applied(self, root: Path) -> dict[str, str]:
        """The changed files by name; raises DoesNotApply."""
        changed: dict[str, str] = {}
        for cut in self.cuts:
            text = changed.get(cut.file) or (root / cut.file).read_text(encoding="utf-8")
            changed[cut.file] = cut.applied(text)
        return changed
