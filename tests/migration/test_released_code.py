"""The code of a release is run as it was: nothing of today's gets into its processes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.released_code import ROOT, CodeNotThereError, git, lay_out, releases, today

WHERE = """
import importlib, pkgutil, zikao, zikao.enrollment.v1
for name in ("zikao_kit.server", "zikao_client", "zikao_ctl", "zikao_sandbox", "zikao_registration",
             "zikao_enrollment.main", "zikao_tickets", "zikao.enrollment.v1.types_pb2"):
    print(importlib.import_module(name).__file__)
for place in (*zikao.__path__, *zikao.enrollment.v1.__path__):
    print(place)
"""
SPAWNED = """
import multiprocessing, zikao_kit
context = multiprocessing.get_context("spawn")
with context.Pool(1) as pool:
    print(pool.apply(eval, ("__import__('zikao_kit').__file__",)))
"""


def test_releases_are_of_this_history() -> None:
    """Every release is a commit before this one, the newest first."""
    commits = [release.commit for release in releases()]
    assert commits
    for younger, older in zip(["HEAD", *commits], commits, strict=False):
        git("merge-base", "--is-ancestor", older, younger)


def test_released_code_is_all_that_is_imported(tmp_path: Path) -> None:
    """Packages, generated code and processes that are spawned come from the release's folder."""
    code = lay_out(releases()[0].commit, tmp_path)
    (tmp_path / "spawn.py").write_text(f"if __name__ == '__main__':\n{_indented(SPAWNED)}")
    spawned = f"import runpy; runpy.run_path({str(tmp_path / 'spawn.py')!r}, run_name='__main__')"
    places = [*code.says(WHERE).splitlines(), code.says(spawned)]
    assert len(places) == 11
    assert [place for place in places if not Path(place).is_relative_to(code.root)] == []
    # As a module that the release has not: that of today is there, and is not taken.
    (code.root / "libs" / "zikao_kit" / "clock.py").unlink()
    assert "clock.py" in today(tmp_path).says("import zikao_kit.clock as it; print(it.__file__)")
    with pytest.raises(RuntimeError, match=r"No module named 'zikao_kit\.clock'"):
        code.says("import zikao_kit.clock")


def test_a_commit_that_is_not_there_is_said_with_what_to_do(tmp_path: Path) -> None:
    """In a shallow clone, in a clone that lacks it, and outside of any: never a skipped test."""
    origin, shallow = tmp_path / "origin", tmp_path / "shallow"
    first = _repository_with_two_commits(origin)
    subprocess.run(
        ("git", "clone", "--quiet", "--depth=1", origin.as_uri(), str(shallow)), check=True
    )
    with pytest.raises(CodeNotThereError, match="git fetch --unshallow"):
        lay_out(first, tmp_path / "code", shallow)
    with pytest.raises(CodeNotThereError, match="git fetch origin"):
        lay_out("0" * 40, tmp_path / "code", ROOT)
    with pytest.raises(CodeNotThereError, match="no clone of the project"):
        lay_out(first, tmp_path / "code", Path("/"))


def _repository_with_two_commits(folder: Path) -> str:
    """Make it; the first of the commits."""
    folder.mkdir()
    git("init", "--quiet", repository=folder)
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    for message in ("first", "second"):
        options = ("--quiet", "--allow-empty", "-m", message)
        git(*who, "commit", *options, repository=folder)
    return git("rev-parse", "HEAD~1", repository=folder).decode().strip()


def _indented(program: str) -> str:
    return "".join(f"    {line}\n" for line in program.strip().splitlines())
