"""tests/load/opening.js and its manifest, against contracts and each other; nothing is called."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from support.contracts import ROOT, file_of, methods
from support.k6_engine import K6Engine
from zikao_ctl.main import main
from zikao_kit import context
from zikao_kit.tls import DevelopmentCa

LOAD = Path(__file__).parents[1] / "load"
SCRIPT = LOAD / "opening.js"
TESTRUN = ROOT.parent / "deploy/k8s/components/k6/testrun.yaml"
SOURCE = SCRIPT.read_text(encoding="utf-8")
# What k6 brings itself.
WELL_KNOWN = "google/protobuf/"


@pytest.fixture
def engine(tmp_path: Path) -> K6Engine:
    """The script after its init code, with the plan that `zikao rush --k6` has written."""
    asked = ["rush", "--scenario", str(ROOT.parent / "examples/rush/small.yaml")]
    answer = CliRunner().invoke(main, [*asked, "--scale", "0.2", "--k6", str(tmp_path)])
    assert answer.exit_code == 0, answer.output
    (tmp_path / "tokens.json").write_text("[]", encoding="utf-8")
    DevelopmentCa(tmp_path).issue("portal")
    return K6Engine(SCRIPT, {"FOLDER": str(tmp_path), "CERTS": str(tmp_path)})


def test_it_loads_all_that_its_methods_need(engine: K6Engine) -> None:
    """Methods exist in the files that are loaded; what these import is there, or k6's own."""
    known = {f"{each.containing_service.full_name}/{each.name}": each for each in methods()}
    services = re.findall(r"const service = '([\w.]+)'", SOURCE)
    named = re.findall(r"'(zikao[\w.]+/\w+)'", SOURCE)
    named += [f"{services[0]}/{name}" for name in ("JoinWaitingRoom", "GetPlace")]
    assert {name.rpartition("/")[2] for name in named} >= {"SubmitEnrollment", "GetPlace"}
    for name in named:
        assert name.rpartition("/")[2] in SOURCE
        assert known[name].containing_service.file.name in engine.loaded
    waiting = [file_of(ROOT / name) for name in engine.loaded]
    while waiting:
        for needed in waiting.pop().dependencies:
            assert needed.name.startswith(WELL_KNOWN) or (ROOT / needed.name).is_file()
            waiting.append(needed)


def test_its_metadata_are_those_of_the_kit() -> None:
    """Keys that nobody reads would make the script a caller without timeout and pass."""
    keys = set(re.findall(r"'(zikao-[\w-]+)'", SOURCE))
    assert keys == {context.TIMEOUT_KEY, context.ADMISSION_PASS_KEY}


def test_the_load_is_open_and_judged(engine: K6Engine) -> None:
    """Iterations start by the rates of the curve, one a candidate; none may be dropped."""
    options: dict[str, Any] = engine.options
    scenario = options["scenarios"]["opening"]
    assert (scenario["executor"], scenario["timeUnit"]) == ("ramping-arrival-rate", "1m")
    rates = [scenario["startRate"], *(stage["target"] for stage in scenario["stages"])]
    seconds = [int(stage["duration"].removesuffix("ms")) / 1000 for stage in scenario["stages"]]
    minutes = zip(pairwise(rates), seconds, strict=True)
    started = sum((a + b) / 2 * each / 60 for (a, b), each in minutes)
    plan = json.loads((Path(engine.environment["FOLDER"]) / "opening.json").read_text())
    assert started == pytest.approx(plan["candidates"], rel=0.01)
    assert len(plan["wishes"]) == plan["candidates"]
    assert sum(seconds) == pytest.approx(plan["seconds"])
    thresholds = options["thresholds"]
    assert thresholds["dropped_iterations"] == thresholds["contradictions"] == ["count==0"]
    own = set(re.findall(r"new (?:Counter|Trend)\('(\w+)'", SOURCE))
    builtin = {"dropped_iterations", "checks", "grpc_req_duration"}
    assert {name.partition("{")[0] for name in thresholds} <= own | builtin


def test_the_manifest_sets_what_the_script_reads() -> None:
    """The operator's runners get the script with settings that it knows, from what is mounted."""
    spec = yaml.safe_load(TESTRUN.read_text(encoding="utf-8"))["spec"]
    assert spec["script"]["volumeClaim"]["file"] == SCRIPT.name
    given = dict(re.findall(r"-e (\w+)=(\S+)", spec["arguments"]))
    assert set(given) <= set(re.findall(r"__ENV\.(\w+)", SOURCE))
    for pod in ("initializer", "runner"):
        (mount,) = spec[pod]["volumeMounts"]
        assert mount["mountPath"] == given["CERTS"]
        assert mount["name"] == spec[pod]["volumes"][0]["name"]
    page = (LOAD / "README.md").read_text(encoding="utf-8")
    for setting in re.findall(r"__ENV\.(\w+)", SOURCE):
        assert f"`{setting}`" in page
