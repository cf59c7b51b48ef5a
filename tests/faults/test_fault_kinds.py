"""`zikao faults`: every kind of fault once, on one installation under load."""

import json
import subprocess
import sys
from pathlib import Path

from zikao_ctl.faults.disk import can_enter
from zikao_ctl.faults.schedule import KINDS

ROOT = Path(__file__).parents[2]
# One of those with which nothing lasts long.
SEED = 30492


def test_every_kind_is_survived(tmp_path: Path) -> None:
    """Each has its effect, nothing is lost, and what was in doubt comes to its true end.

    Where the database can have no disk of its own, all but a full one.
    """
    kinds = [kind for kind in KINDS if kind != "full_disk" or can_enter()]
    only = [word for kind in kinds for word in ("--only", kind)]
    command = [sys.executable, "-c", "from zikao_ctl.main import main; main()", "faults", *only]
    settings = ["--seed", str(SEED), "--count", str(len(kinds)), "--out", str(tmp_path)]
    # Other tests run beside it: how soon it is well is not judged.
    settings += ["--rate", "40", "--recovery-seconds", "60"]
    done = subprocess.run(
        [*command, *settings], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["verdict"] == "PASS"
    assert {kind: found["count"] for kind, found in report["kinds"].items()} == dict.fromkeys(
        kinds, 1
    )
    assert report["violations"] == 0
    calls, doubtful = report["calls"], report["doubtful"]
    assert sum(doubtful.values()) == calls["doubtful"] > 0
    assert report["payments"] > 0
