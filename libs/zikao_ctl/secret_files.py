"""Keys and passwords of an installation on one machine: made once, for test data only."""

from __future__ import annotations

import secrets
from pathlib import Path

from zikao_kit.config import read_secret
from zikao_kit.crypto import KeyRing
from zikao_kit.files import write_whole

PASSWORD_BYTES = 24
README = """\
Keys and passwords that `zikao up` made on this machine. They protect test data and nothing
else: never use them where real candidates are, never put real data where they are used.
Without the *.keys.yaml files the data in the database cannot be read.
"""


class SecretFiles:
    """The folder with the secrets; only its owner may enter it."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if it is not there."""
        folder.mkdir(mode=0o700, exist_ok=True)
        write_whole(folder / "README.txt", README)
        self._folder = folder

    def key_ring_file(self, service: str) -> Path:
        """The file with the service's keys for personal data."""
        path = self._folder / f"{service}.keys.yaml"
        if not path.exists():
            unfinished = self._folder / f".{service}.keys.new"
            unfinished.unlink(missing_ok=True)
            KeyRing.generate().write(unfinished)
            unfinished.replace(path)
        return path

    def password(self, service: str) -> str:
        """The password of the service's database role."""
        return read_secret(self.password_file(service))

    def password_file(self, name: str) -> Path:
        """The file with a password, made when it is first asked for."""
        path = self._folder / f"{name}.password"
        if not path.exists():
            write_whole(path, secrets.token_urlsafe(PASSWORD_BYTES), 0o600)
        return path

    def dsn_file(self, service: str, dsn: str) -> Path:
        """A file with the service's connection string."""
        path = self._folder / f"{service}.dsn"
        write_whole(path, dsn, 0o600)
        return path
