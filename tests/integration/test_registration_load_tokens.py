"""tests/load/tokens.py: test candidates log in before a load."""

from pathlib import Path

import pytest
from load.tokens import read_logins, tokens_of
from support.registration_people import PASSWORD, apply_session, document_number, new_candidate
from support.registration_server import registration_server
from support.service_databases import MakeDatabase
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao_client import CallFailed


async def test_each_login_gives_a_token_in_its_place(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Tokens are in the order of the file, and open what is their owner's; a wrong login fails."""
    names = [document_number(number) for number in (1, 2)]
    file = tmp_path / "logins.csv"
    rows = "".join(f"{name},{PASSWORD}\n" for name in names)
    file.write_text(f"login_name,password\n{rows}", encoding="utf-8")
    async with registration_server(await make_database("registration"), tmp_path) as server:
        await apply_session(server)
        for number in (1, 2):
            await new_candidate(server, number)
        portal = await server.caller("portal")
        tokens = await tokens_of(portal.channel, read_logins(file))
        subjects = [
            (await portal.with_token(each).call(registration.GetRegistrationRequest())).registration
            for each in tokens
        ]
        assert len({each.candidate_id for each in subjects}) == 2
        with pytest.raises(CallFailed, match="LOGIN_FAILED"):
            await tokens_of(portal.channel, [(names[0], "not the password")])
