"""The file with an officer's access token, and beside it what the login goes on with.

FILE holds the access token and nothing else, as `--token-file` and other programs read it;
FILE.login holds the refresh token. Both are their owner's alone.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from zikao.registration.v1 import types_pb2 as types
from zikao_kit.files import OWNER_ONLY, write_whole

_TOKEN = re.compile(r"[\w.~+/=-]+", re.ASCII)


class NoToken(OSError):  # noqa: N818 - says what is wrong
    """A file has no token, or nothing to go on with."""


def read_token(file: Path) -> str:
    """The access token; raises NoToken, or OSError where there is no file."""
    token = file.read_text("ascii", "replace").strip()
    if not _TOKEN.fullmatch(token):
        raise NoToken(f"{file} has no access token")
    return token


class TokenFile:
    """An officer's login as it is kept between commands."""

    def __init__(self, path: Path, caller: str) -> None:
        """`caller`: whose certificate calls.

        Raises OSError where nothing could be written: before anybody is asked for anything.
        """
        self.path = path
        self._caller = caller
        self._login = path.with_name(f"{path.name}.login")
        if not os.access(path.parent, os.W_OK):
            raise NotADirectoryError(f"{path.parent} is no folder that may be written to")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One refresh at a time: the service ends a login whose token comes in two requests."""
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def keep(self, tokens: types.LoginTokens) -> None:
        """Write both files whole; the refresh token first, which cannot be had again."""
        self._write_login(tokens.refresh_token, "")
        write_whole(self.path, f"{tokens.access_token}\n", OWNER_ONLY)

    def refreshing(self) -> tuple[str, str]:
        """The refresh token, and the id of the request with it; raises NoToken.

        The id is written down before it is used: who has not heard the answer repeats that
        request, for in another one the token would count as copied.
        """
        try:
            kept = json.loads(self._login.read_text("utf-8"))
            token, request_id = str(kept["refresh_token"]), str(kept["request_id"])
            caller = str(kept["caller"])
        except FileNotFoundError as error:
            raise NoToken(f"{self.path} has no login to go on with: run `zikao login`") from error
        except (ValueError, KeyError, TypeError) as error:
            raise NoToken(f"{self._login} is damaged: run `zikao login`") from error
        if caller != self._caller:  # for the service the token would have been copied
            raise NoToken(f"the login of {self.path} began as {caller}: give --caller {caller}")
        if not request_id:
            request_id = str(uuid4())
            self._write_login(token, request_id)
        return token, request_id

    def remove(self) -> None:
        """Leave nothing of the login."""
        self._login.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def _write_login(self, refresh_token: str, request_id: str) -> None:
        content = {
            "caller": self._caller,
            "refresh_token": refresh_token,
            "request_id": request_id,
        }
        write_whole(self._login, json.dumps(content), OWNER_ONLY)
