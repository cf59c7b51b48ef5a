"""No hand-written source file over 400 lines, no function over 60 (CONTRIBUTING)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUFFIXES = (".py", ".sql", ".proto", ".typ")
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 60
GENERATED = ("libs/protos/", "protos/buf/")
# What all migrations make together, which a test compares: it is as long as they are.
SUM_OF_OTHERS = "sql/schema.sql"


def main() -> int:
    """Tell what is too long; 1 when something is."""
    files = list(sources())
    too_long = [problem for file in files for problem in problems_in(file)]
    for problem in too_long:
        sys.stderr.write(f"{problem}\n")
    if not too_long:
        sys.stdout.write(f"{len(files)} files: none over {MAX_FILE_LINES} lines, ")
        sys.stdout.write(f"no function over {MAX_FUNCTION_LINES}\n")
    return 1 if too_long else 0


def sources() -> Iterator[Path]:
    """What people have written: committed, or new and not ignored."""
    # A clone may be another account's, as in containers of CI.
    git = ("git", "-c", f"safe.directory={ROOT.resolve()}")
    listed = subprocess.run(  # noqa: S603 - the words are ours
        [*git, "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        is_generated = name.startswith(GENERATED) or "_pb2" in name
        if name.endswith(SUFFIXES) and not is_generated and (ROOT / name).is_file():
            yield ROOT / name


def problems_in(file: Path) -> Iterator[str]:
    """One line a file or function that is too long."""
    text, name = file.read_text(encoding="utf-8"), file.relative_to(ROOT)
    lines = len(text.splitlines())
    if lines > MAX_FILE_LINES and not str(name).endswith(SUM_OF_OTHERS):
        yield f"{name}: {lines} lines"
    if file.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    yield f"{name}:{node.lineno}: {node.name} has {lines} lines"


if __name__ == "__main__":
    sys.exit(main())
