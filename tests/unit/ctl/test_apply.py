"""`zikao apply`: what an operator sees without a running installation."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from zikao_ctl.main import main
from zikao_kit.tls import DevelopmentCa

EXAMPLE = Path(__file__).parents[3] / "examples/sichuan-22.1.yaml"


def test_check_calls_no_service() -> None:
    """A file can be checked where nothing runs."""
    result = CliRunner().invoke(main, ["apply", str(EXAMPLE), "--check"])
    assert result.exit_code == 0
    assert "session 22.1 is in order" in result.output


def test_a_wrong_file_is_refused_in_words(tmp_path: Path) -> None:
    """All problems are listed and the exit status says that it failed."""
    file = tmp_path / "session.yaml"
    file.write_text("code: 22.1\n", "utf-8")
    result = CliRunner().invoke(main, ["apply", str(file), "--check"])
    assert result.exit_code == 1
    assert "code: must be text" in result.output
    assert "fee_fen: is missing" in result.output


def test_a_service_that_is_down_is_named(tmp_path: Path) -> None:
    """The operator reads which service could not be reached, not a traceback."""
    DevelopmentCa(tmp_path).issue("operator")
    nobody = ["--registration", "127.0.0.1:1"]
    result = CliRunner().invoke(main, ["apply", str(EXAMPLE), "--certs", str(tmp_path), *nobody])
    assert result.exit_code == 1
    assert "registration: UNAVAILABLE" in result.output
