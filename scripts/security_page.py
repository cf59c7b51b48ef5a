"""Write the table of docs/security.md from docs/asvs.toml; --check only compares."""

from __future__ import annotations

import re
import sys
import tomllib
from collections import Counter
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
PAGE, DATA = DOCS / "security.md", DOCS / "asvs.toml"
BEGIN, END = "<!-- begin of the table -->\n", "<!-- end of the table -->\n"
HEAD = ("| number | asks for | here | how, or why not | seen by |", "| --- |" + " --- |" * 4)
STATES = ("met", "partly", "gap", "not applicable")
CHAPTERS = {
    1: "Encoding and sanitising",
    2: "Validation and business logic",
    3: "Web front ends",
    4: "APIs and web services",
    5: "Files",
    6: "Authentication",
    7: "Sessions",
    8: "Authorisation",
    9: "Self-contained tokens",
    10: "OAuth and OIDC",
    11: "Cryptography",
    12: "Secure communication",
    13: "Configuration",
    14: "Data protection",
    15: "Secure coding and architecture",
    16: "Logging and errors",
    17: "WebRTC",
}


def page(text: str) -> str:
    """The page with today's table between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    requirements = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return f"{before}{BEGIN}{table(requirements)}{END}{after}"


def table(requirements: dict[str, dict[str, object]]) -> str:
    """Counts, then a table for each chapter."""
    counts = Counter(str(each["is"]) for each in requirements.values())
    words = ", ".join(f"{counts[state]} {state}" for state in STATES)
    parts = [f"Of {len(requirements)} requirements: {words}.\n"]
    for chapter, title in CHAPTERS.items():
        rows = [row(number, each) for number, each in requirements.items() if of(number) == chapter]
        head = [
            "| number | asks for | here | how, or why not | seen by |",
            "| --- |" + " --- |" * 4,
        ]
        parts.append(f"\n### V{chapter} {title}\n\n" + "\n".join([*head, *rows]) + "\n")
    return "".join(parts)


def of(number: str) -> int:
    """The chapter of a number: 6 of V6.2.4."""
    return int(number.removeprefix("V").split(".")[0])


def row(number: str, each: dict[str, object]) -> str:
    """One line of a table."""
    tests = each.get("tests", [])
    assert isinstance(tests, list), number
    links = " ".join(link(str(test)) for test in tests)
    state = f"**{each['is']}**" if each["is"] in ("gap", "partly") else each["is"]
    return f"| {number} | {each['about']} | {state} | {cell(str(each['how']))} | {links} |"


def link(test: str) -> str:
    """A test as a link to its file, by its name in words."""
    file, _, name = test.partition("::")
    words = name.removeprefix("test_").replace("_", " ")
    return f"[{words}](../{file})"


def cell(text: str) -> str:
    """A text in one cell."""
    return re.sub(r"\s+", " ", text).replace("|", r"\|")


def main() -> int:
    """Write the page, or compare it; 1 when it differs."""
    text = PAGE.read_text(encoding="utf-8")
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(text), encoding="utf-8")
        return 0
    if text == page(text):
        return 0
    sys.stderr.write("docs/security.md differs from docs/asvs.toml: run 'make security'\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
