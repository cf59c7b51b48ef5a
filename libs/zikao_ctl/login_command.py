"""`zikao login` and `zikao logout`: the token for `--token-file`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from zikao.registration.v1 import types_pb2 as types
from zikao_client import CallFailed

from zikao_ctl.installation import Targets
from zikao_ctl.listing import china_time
from zikao_ctl.login_calls import CODE, LOGIN_ENDED, NEW_PASSWORD, PASSWORD, LoginCalls
from zikao_ctl.office_calls import run_calls
from zikao_ctl.options import F, caller_option, certs_option, target_option
from zikao_ctl.secret_answers import NoAnswer, SecretAnswers
from zikao_ctl.token_file import TokenFile

T = TypeVar("T")


def _fd_option(name: str, what: str) -> Callable[[F], F]:
    return click.option(
        f"--{name}-fd", type=click.IntRange(0), metavar="N", help=f"Read {what} there; 0: stdin."
    )


def _options(command: F) -> F:
    token_file = click.option(
        "--token-file",
        type=click.Path(dir_okay=False, path_type=Path),
        required=True,
        help="Where the access token is; what the login goes on with is beside it, in FILE.login.",
    )
    where = target_option("registration", Targets.registration)
    return where(certs_option(caller_option(token_file(command))))


@click.command("login", short_help="Log in as an officer: the token for --token-file.")
@click.option("--name", help="Login name; asked for when it is not given.")
@click.option("--refresh", is_flag=True, help="Go on with the login that is there.")
@_fd_option(PASSWORD, "the password")
@_fd_option(NEW_PASSWORD, "the new password, if one must be chosen,")
@_fd_option(CODE, "the one-time code, and the one that confirms a new second factor,")
@_options
def login(
    *,
    name: str | None,
    refresh: bool,
    password_fd: int | None,
    new_password_fd: int | None,
    code_fd: int | None,
    token_file: Path,
    **where: Any,
) -> None:
    """Log in as an officer, and write the access token into --token-file.

    Asks at the terminal, which shows nothing of the answers; at a first login also for a new
    password, and for the code of a new second factor. Programs give descriptors instead, a line
    for each answer: the password, the code (an empty line while there is no second factor), a new
    password and the code of a new second factor where they are asked for. All may come from one.
    """
    file = _place(token_file, where)
    if refresh:
        _tell(_calls(where, lambda calls: calls.refresh(file)), token_file)
        return
    login_name = name or click.prompt("Login name", err=True)
    answers = SecretAnswers({PASSWORD: password_fd, NEW_PASSWORD: new_password_fd, CODE: code_fd})
    tokens = _calls(where, lambda calls: calls.log_in(login_name, answers))
    with file.locked():
        file.keep(tokens)
    _tell(tokens, token_file)


@click.command("logout", short_help="End a login, and remove its token file.")
@click.option("--everywhere", is_flag=True, help="End all logins of the account.")
@_options
def logout(*, everywhere: bool, token_file: Path, **where: Any) -> None:
    """End the login of --token-file in all services, and remove its files.

    The files stay where the service cannot be reached: the login is not ended then.
    """
    file = _place(token_file, where)

    async def work(calls: LoginCalls) -> None:
        try:
            await calls.log_out(file, everywhere=everywhere)
        except CallFailed as failed:
            if failed.reason != LOGIN_ENDED:  # it had ended before
                raise

    _calls(where, work)
    click.echo("the login has ended")


def _calls(where: Mapping[str, Any], work: Callable[[LoginCalls], Awaitable[T]]) -> T:
    try:
        return run_calls(LoginCalls, work, {**where, "token_file": None}, "registration")
    except NoAnswer as error:
        raise click.ClickException(str(error)) from error


def _place(token_file: Path, where: Mapping[str, Any]) -> TokenFile:
    try:
        return TokenFile(token_file, where["caller"])
    except OSError as error:
        raise click.ClickException(str(error)) from error


def _tell(tokens: types.LoginTokens, token_file: Path) -> None:
    click.echo(f"{token_file}: access token until {china_time(tokens.expires_at)}")
    click.echo(
        f"`zikao login --refresh` gets the next one until {china_time(tokens.refresh_expires_at)}, "
        "of officers only for a while after the last"
    )
