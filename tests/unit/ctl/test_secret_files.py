"""Keys and passwords on disk: made once, closed to others, whole after a kill."""

from __future__ import annotations

from pathlib import Path

from zikao_ctl.secret_files import SecretFiles
from zikao_kit.crypto import KeyRing


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """A second start finds the keys and passwords of the first."""
    first, second = SecretFiles(tmp_path / "secrets"), SecretFiles(tmp_path / "secrets")
    blob = KeyRing.from_file(first.key_ring_file("tickets")).encrypt(b"name", "test")
    assert KeyRing.from_file(second.key_ring_file("tickets")).decrypt(blob, "test") == b"name"
    assert first.password("tickets") == second.password("tickets")
    assert first.password("tickets") != first.password("enrollment")


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    """Neither the folder nor a file with a secret is open to other users."""
    secrets = SecretFiles(tmp_path / "secrets")
    secrets.password("tickets")
    files = [secrets.key_ring_file("tickets"), secrets.dsn_file("tickets", "postgresql://x")]
    files.append(tmp_path / "secrets/tickets.password")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_key_file_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    """A kill while the keys were written leaves no half file in use."""
    secrets = SecretFiles(tmp_path / "secrets")
    (tmp_path / "secrets/.tickets.keys.new").write_text("current: k")
    assert KeyRing.from_file(secrets.key_ring_file("tickets"))


def test_the_folder_says_that_it_is_for_test_data(tmp_path: Path) -> None:
    """Whoever finds the keys reads that nothing real may depend on them."""
    SecretFiles(tmp_path / "secrets")
    assert "test data" in (tmp_path / "secrets/README.txt").read_text()
