"""What no code of ours does: run what others send, or read it with what may run it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What reads the words of others. `zikao` itself reads its operator's files, talks to its own
# children, and writes reports.
FOLDERS = ("libs/zikao_client", "libs/zikao_kit", "services")
# Modules that run or build what they read, parse XML, or make templates and directory queries.
NO_MODULES = frozenset(
    {
        *("pickle", "cPickle", "dill", "marshal", "shelve", "jsonpickle", "xml", "lxml", "jinja2"),
        *("mako", "ldap", "ldap3", "pymemcache", "pylatex", "code", "codeop", "runpy"),
    }
)
NO_NAMES = frozenset({"eval", "exec", "compile", "__import__"})
NO_METHODS = frozenset({"system", "popen", "getoutput", "getstatusoutput", "format_map"})


def dangers_in(source: str) -> Iterator[str]:
    """One word for each."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.split(".")[0] in NO_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            if (node.module or "").split(".")[0] in NO_MODULES:
                yield str(node.module)
        elif isinstance(node, ast.Call):
            yield from dangers_of(node)


def dangers_of(call: ast.Call) -> Iterator[str]:
    """Of one call: by its name, a shell, or YAML that builds what it is told to."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    of = owner.id if isinstance(owner, ast.Name) else ""
    if name in NO_NAMES:
        yield name
    if method in NO_METHODS and of in ("os", "subprocess"):
        yield f"{of}.{method}"
    if method in ("load", "load_all", "unsafe_load", "full_load") and of == "yaml":
        yield f"yaml.{method}"
    if method == "create_subprocess_shell" or any(
        each.arg == "shell" and getattr(each.value, "value", None) is not False
        for each in call.keywords
    ):
        yield "a shell"


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_code_runs_what_it_reads(folder: str) -> None:
    """No evaluation, no pickles, no shells, no XML, no templates from text, YAML as data alone."""
    files = sorted((ROOT / folder).rglob("*.py"))
    found = {str(file): list(dangers_in(file.read_text(encoding="utf-8"))) for file in files}
    assert {file: dangers for file, dangers in found.items() if dangers} == {}
    assert files


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from xml.etree import ElementTree",
        "eval(text)",
        "import os\nos.system(text)",
        "import subprocess\nsubprocess.run(text, shell=True)",
        "import yaml\nyaml.load(text)",
        "import asyncio\nasyncio.create_subprocess_shell(text)",
    ],
)
def test_a_danger_is_seen(source: str) -> None:
    """Negative control: each kind of it is found."""
    assert list(dangers_in(source))
