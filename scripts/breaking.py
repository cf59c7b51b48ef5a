"""Refuse what would break callers of the release before: contracts in protos/ against its own.

    python scripts/breaking.py                       against the newest release of releases.toml
    python scripts/breaking.py --old DIR --new DIR   two folders of protos

`buf breaking` knows names, numbers and types. What it does not know is looked at here: a reason
keeps its code, a sensitive field stays so, and who may call a method, what it takes and which
rules its fields have are changed only where releases.toml says so under `[[unreleased]]`.
docs/versioning.md has the rules.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contract_rules import rules_of
from contract_source import BUF, ROOT, Contracts, read_contracts
from google.protobuf.message import Message
from zikao.options.v1 import options_pb2

RELEASES = ROOT / "releases.toml"
# One folder of protos, whatever buf.yaml stands beside it.
BUF_CONFIG = """{"version": "v2", "breaking": {
    "use": ["FILE"], "except": ["RPC_SAME_IDEMPOTENCY_LEVEL"], "ignore": ["buf"]}}"""
NO_HISTORY = """breaking.py: the commit of release {version} ({commit})
is not in this clone, so nobody can say what would break its callers.
Is the clone shallow? `git fetch --unshallow` gets the rest.
"""


class NoHistory(Exception):  # noqa: N818 - it is what is missing
    """The release's commit is not here."""


def main() -> int:
    """Tell what would break, a line each; 1 when something does, 2 without the release."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("old", "new", "releases"):
        parser.add_argument(f"--{name}", type=Path)
    asked = parser.parse_args()
    stated = tomllib.loads((asked.releases or RELEASES).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as place:
        try:
            old = asked.old or protos_of(stated["release"][0], Path(place))
        except NoHistory as error:
            sys.stderr.write(str(error))
            return 2
        problems = list(problems_between(old, asked.new or ROOT / "protos", stated))
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if not problems:
        sys.stdout.write(f"contracts keep what release {stated['release'][0]['version']} has\n")
    return 1 if problems else 0


def protos_of(release: dict[str, str], place: Path) -> Path:
    """Write the protos of a release's commit below `place`; raises NoHistory."""
    # A clone may be another account's, as in containers of CI.
    git = ("git", "-c", f"safe.directory={ROOT.resolve()}")
    commit = release["commit"]
    got = subprocess.run(  # noqa: S603 - the commit is our own file's
        [*git, "archive", "--format=tar", commit, "protos"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if got.returncode:
        raise NoHistory(NO_HISTORY.format(version=release["version"], commit=commit))
    with tarfile.open(fileobj=io.BytesIO(got.stdout)) as archive:
        for member in archive:
            if content := archive.extractfile(member):
                file = place / member.name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content.read())
    return place / "protos"


def problems_between(old: Path, new: Path, stated: dict[str, Any]) -> Iterator[str]:
    """What breaks: by buf, then what only we know of."""
    command = [str(BUF), "breaking", str(new), "--against", str(old), "--config", BUF_CONFIG]
    found = subprocess.run(  # noqa: S603 - the words are ours
        [*command, "--against-config", BUF_CONFIG], capture_output=True, text=True, check=False
    )
    if found.returncode:
        yield from (found.stdout or found.stderr).splitlines()
        return  # what follows goes by names, and may have lost some
    before, now = read_contracts(old), read_contracts(new)
    yield from never(before, now)
    yield from unstated(dict(to_be_stated(before, now)), stated.get("unreleased", []))


def never(before: Contracts, now: Contracts) -> Iterator[str]:
    """What no release changes: a reason's code, a field that is sensitive, repeatable methods.

    That a method may be repeated from now on (which buf would refuse, too) breaks nobody.
    """
    for name, method in before.methods.items():
        level = method.proto.options.idempotency_level
        if level and now.methods[name].proto.options.idempotency_level != level:
            yield f"{name}: its callers repeat it, by its idempotency_level"
    for name, enum in before.enums.items():
        values = {value.name: value for value in now.enums[name].proto.value}
        for value in enum.proto.value:
            was = value.options.Extensions[options_pb2.error].code
            code = values[value.name].options.Extensions[options_pb2.error].code
            if was != code:
                yield f"{name}.{value.name}: its code was {was} and is {code}"
    for name, field in before.fields.items():
        is_sensitive = now.fields[name].proto.options.Extensions[options_pb2.sensitive]
        if field.proto.options.Extensions[options_pb2.sensitive] and not is_sensitive:
            yield f"{name}: it was sensitive"


def to_be_stated(before: Contracts, now: Contracts) -> Iterator[tuple[str, str]]:
    """Name and change of what may change only when somebody says so."""
    for name, method in before.methods.items():
        was = facts_of(method.proto.options.Extensions[options_pb2.access])
        has = facts_of(now.methods[name].proto.options.Extensions[options_pb2.access])
        if was != has:
            changed = sorted(
                fact for fact in was.keys() | has.keys() if was.get(fact) != has.get(fact)
            )
            words = [f"{fact} {was.get(fact, '-')} → {has.get(fact, '-')}" for fact in changed]
            yield name, f"access: {'; '.join(words)}"
    for name, field in before.fields.items():
        rules = (rules_of(field.proto.options), rules_of(now.fields[name].proto.options))
        if rules[0] != rules[1]:
            yield name, f"rules: {rules[0]} → {rules[1]}"
    for name, message in before.messages.items():
        whole = (rules_of(message.proto.options), rules_of(now.messages[name].proto.options))
        if whole[0] != whole[1]:
            yield name, f"rules: {whole[0]} → {whole[1]}"


def facts_of(access: Message) -> dict[str, str]:
    """What an access option says, a word for each of its fields that is set."""
    facts = {}
    for field, value in access.ListFields():
        if field.name == "roles":
            facts["roles"] = ", ".join(sorted(map(options_pb2.Role.Name, value)))
        elif field.name == "services":
            facts["services"] = ", ".join(sorted(value))
        else:
            facts[field.name] = str(value)
    return facts


def unstated(changes: dict[str, str], stated: list[dict[str, str]]) -> Iterator[str]:
    """Changes that releases.toml does not name with a reason, and names without a change."""
    why = {each["item"]: each.get("why", "") for each in stated}
    for name, change in changes.items():
        if not why.get(name):
            yield f"{name}: {change}: say why in releases.toml under [[unreleased]]"
    for name in why.keys() - changes.keys():
        yield f"releases.toml: {name} is named under [[unreleased]] and has not changed"


if __name__ == "__main__":
    sys.exit(main())
