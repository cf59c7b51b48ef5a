"""A rehearsal against a deployment, before anything is sent to it, and what its folder keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from zikao_ctl.main import main
from zikao_ctl.rush.elsewhere import Target, TargetRehearsal, read_accounts
from zikao_ctl.rush.opening import Terms
from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.rush.submissions import Account
from zikao_kit.config import CertFiles

SMALL = Path("examples/rush/small.yaml")


@pytest.mark.parametrize("target", ["10.0.0.7:7102", "localhost:7102", "127.0.0.1:1"])
def test_only_who_operates_it_puts_a_deployment_under_load(target: str, tmp_path: Path) -> None:
    """A slip of the hand must not take a province's service down; a tunnel to it ends here, too."""
    asked = ["rush", "--target", target, "--report", str(tmp_path), "--scenario", str(SMALL)]
    refused = CliRunner().invoke(main, asked)
    assert refused.exit_code == 2
    assert "--i-operate-this-deployment" in refused.output
    allowed = CliRunner().invoke(main, [*asked, "--i-operate-this-deployment"])
    assert "--target needs --people and --peak" in allowed.output


def test_test_candidates_log_in_or_have_a_token(tmp_path: Path) -> None:
    """A line with neither is named, before anything is sent."""
    file = tmp_path / "people.csv"
    file.write_text("login_name,password,access_token\na,b,\n,,t\n")
    assert [(each.login_name, each.access_token) for each in read_accounts(file)] == [
        *(("a", ""), ("", "t"))
    ]
    file.write_text("login_name,password\na,b\nc,\n")
    with pytest.raises(ValueError, match="line 3"):
        read_accounts(file)


def test_what_an_earlier_rehearsal_was_told_is_not_of_this_one(tmp_path: Path) -> None:
    """A machine that had more cores has left more files: they are no answers of now."""
    files = CertFiles(*(tmp_path / name for name in ("ca", "cert", "key")))
    target = Target("", "", files, [Account(access_token="t")], peak=1.0)
    terms = Terms(7, tmp_path, lambda _: None, lambda _: None)
    rehearsal = TargetRehearsal(target, Scenario.load(SMALL), terms)
    for part in (0, 7):
        (tmp_path / f"acks-{part}.jsonl").write_text(json.dumps({"outcome": "accepted"}) + "\n")
    assert len(rehearsal.acks()) == 2
    rehearsal.forget_acks()
    assert rehearsal.acks() == []
