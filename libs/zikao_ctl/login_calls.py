"""What `zikao login` and `zikao logout` ask of registration."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import click
import segno
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import account_service_pb2_grpc as accounts_grpc
from zikao.registration.v1 import login_service_pb2 as logins
from zikao.registration.v1 import login_service_pb2_grpc as logins_grpc
from zikao.registration.v1 import types_pb2 as types
from zikao_client import CallFailed, bearer, new_request_id

from zikao_ctl.office_calls import OfficeCalls, in_words
from zikao_ctl.secret_answers import NoAnswer, SecretAnswers
from zikao_ctl.token_file import TokenFile, read_token

PASSWORD, NEW_PASSWORD, CODE = "password", "new-password", "code"
_TIMES_ASKED = 3
_TOKEN_ENDED = frozenset({"TOKEN_EXPIRED", "TOKEN_INVALID"})
LOGIN_ENDED = "LOGIN_ENDED"
T = TypeVar("T")


class LoginCalls(OfficeCalls):
    """One login, from the password to its end."""

    patience_seconds = 10.0

    @property
    def _logins(self) -> logins_grpc.LoginServiceAsyncStub:
        return logins_grpc.LoginServiceStub(self.channel)

    async def log_in(self, login_name: str, answers: SecretAnswers) -> types.LoginTokens:
        """Tokens that open everything, after all that the service asks for at a first login.

        Raises CallFailed, NoAnswer.
        """
        password = answers.get(PASSWORD, "Password")
        tokens = await self._begin(login_name, password, answers)
        if tokens.must_change_password:
            self._use(tokens)
            tokens = await self._choose_password(password, answers)
        if tokens.must_set_up_second_factor:
            self._use(tokens)
            tokens = await self._set_up_second_factor(answers)
        return tokens

    async def refresh(self, file: TokenFile) -> types.LoginTokens:
        """The next pair, kept in the file. Raises CallFailed, after removing what has ended."""
        with file.locked():
            token, request_id = file.refreshing()
            request = logins.RefreshTokenRequest(request_id=request_id, refresh_token=token)
            try:
                tokens = (await self.ask(self._logins.RefreshToken, request)).tokens
            except CallFailed as failed:
                if failed.reason == LOGIN_ENDED:
                    file.remove()
                raise
            file.keep(tokens)
        return tokens

    async def log_out(self, file: TokenFile, *, everywhere: bool) -> None:
        """End the login, or all of the account's, and remove the files. Raises CallFailed."""
        try:
            await self._end(read_token(file.path), everywhere=everywhere)
        except CallFailed as failed:
            if failed.reason not in _TOKEN_ENDED:
                raise
            await self._end((await self.refresh(file)).access_token, everywhere=everywhere)
        file.remove()

    async def _begin(
        self, login_name: str, password: str, answers: SecretAnswers
    ) -> types.LoginTokens:
        # Asked for beforehand: an attempt without it counts as one that has failed.
        code = answers.get(CODE, "One-time code (empty when there is none yet)")
        request = accounts.LogInRequest(
            login_name=login_name, password=password, one_time_code=_digits(code)
        )
        stub = accounts_grpc.AccountServiceStub(self.channel)
        return (await self.ask(stub.LogIn, request)).tokens

    async def _choose_password(self, old: str, answers: SecretAnswers) -> types.LoginTokens:
        click.echo("The password must be changed.", err=True)

        async def choose() -> types.LoginTokens:
            request = logins.ChangePasswordRequest(
                request_id=new_request_id(), old_password=old, new_password=_new_password(answers)
            )
            return (await self.ask(self._logins.ChangePassword, request)).tokens

        return await _again(choose, answers, NEW_PASSWORD, {"PASSWORD_REFUSED", "INVALID_REQUEST"})

    async def _set_up_second_factor(self, answers: SecretAnswers) -> types.LoginTokens:
        begin = logins.BeginSecondFactorRequest(request_id=new_request_id())
        _show_secret(await self.ask(self._logins.BeginSecondFactor, begin))

        async def confirm() -> types.LoginTokens:
            code = _digits(answers.get(CODE, "The code that it shows"))
            request = logins.ConfirmSecondFactorRequest(
                request_id=new_request_id(), one_time_code=code
            )
            return (await self.ask(self._logins.ConfirmSecondFactor, request)).tokens

        return await _again(confirm, answers, CODE, {"ONE_TIME_CODE_WRONG"})

    async def _end(self, token: str, *, everywhere: bool) -> None:
        self.metadata = bearer(token)
        if everywhere:
            all_of_them = logins.LogOutEverywhereRequest(request_id=new_request_id())
            await self.ask(self._logins.LogOutEverywhere, all_of_them)
        else:
            await self.ask(self._logins.LogOut, logins.LogOutRequest(request_id=new_request_id()))

    def _use(self, tokens: types.LoginTokens) -> None:
        self.metadata = bearer(tokens.access_token)


async def _again(
    work: Callable[[], Awaitable[T]], answers: SecretAnswers, name: str, reasons: set[str]
) -> T:
    """Let a person answer again what was refused for one of `reasons`; a program never."""
    for _ in _further_times(answers, name):
        try:
            return await work()
        except CallFailed as failed:
            if failed.reason not in reasons:
                raise
            click.echo(in_words(failed), err=True)
    return await work()


def _further_times(answers: SecretAnswers, name: str) -> Iterator[int]:
    yield from range(_TIMES_ASKED - 1 if answers.is_person(name) else 0)


def _new_password(answers: SecretAnswers) -> str:
    while True:
        password = answers.get(NEW_PASSWORD, "New password")
        if not answers.is_person(NEW_PASSWORD):
            return password
        if answers.get(NEW_PASSWORD, "Once more") == password:
            return password
        click.echo("These are two different ones.", err=True)


def _show_secret(begun: logins.BeginSecondFactorResponse) -> None:
    click.echo("A second factor must be set up. Enter this into an authenticator:")
    if sys.stdout.isatty():
        segno.make(begun.uri).terminal(compact=True)
    click.echo(begun.secret)
    click.echo(begun.uri)


def _digits(code: str) -> str:
    """A code as it is sent: authenticators show "123 456"."""
    digits = "".join(code.split())
    if digits and not (len(digits) == 6 and digits.isascii() and digits.isdigit()):
        raise NoAnswer("a one-time code has six digits")
    return digits
