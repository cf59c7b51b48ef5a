"""`zikao demo`: an installation of its own, the story, the invariants."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from zikao_ctl.apply_session import apply_session
from zikao_ctl.demo.people import Person, make_people
from zikao_ctl.demo.stage import OnProgress, Say, open_stage
from zikao_ctl.demo.story import rehearse
from zikao_ctl.demo.summary import check, show, write_summary
from zikao_ctl.installation import OPERATOR, Installation, run_installation
from zikao_ctl.layout import Layout
from zikao_ctl.session_file import load_session_file
from zikao_ctl.session_model import SessionFile
from zikao_ctl.up import progress

DEFAULT_OUT = Path("out/demo")
DEFAULT_SESSION = Path("examples/sichuan-22.1.yaml")
DEFAULT_OTHERS = 200
DEFAULT_SEED = 221
# The hero and the special parts.
FEWEST_OTHERS = 12


class InvariantsBroken(Exception):  # noqa: N818 - it is what was found
    """Something that must hold does not."""


async def demo(out: Path, session_file: Path, others: int, seed: int) -> None:
    """Run the demo; raises InstallationError, StoryBroken, CallFailed, InvariantsBroken."""
    say = progress("demo")
    session = load_session_file(session_file)
    layout = Layout(out / "installation")
    async with run_installation(layout, port_base=None, reset=True, say=say) as installation:
        began = time.monotonic()
        counts, violations = await play(
            installation, session, make_people(session, others, seed), out, say=say
        )
        seconds = time.monotonic() - began
        write_summary(out / "summary.json", counts, violations, seconds)
        show(Console(), counts, violations)
        say(f"the story took {seconds:.1f} s")
    say(f"see {out}/ticket.pdf, {out}/tickets-county.pdf and {out}/summary.json")
    if broken := sorted(name for name, count in violations.items() if count):
        raise InvariantsBroken(", ".join(broken))


async def play(
    installation: Installation,
    session: SessionFile,
    people: Sequence[Person],
    out: Path,
    *,
    say: Say,
    on_progress: OnProgress = lambda *_: None,
) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Play the story on an installation; what was counted, and violations by invariant."""
    await apply_session(
        session, installation.targets, installation.certificate(OPERATOR), dry_run=False
    )
    say(
        f"session {session.code} is applied: {len(session.counties)} counties, "
        f"{len(session.courses)} courses, {len(session.sites)} sites"
    )
    async with open_stage(installation, session, people, say, on_progress) as stage:
        await rehearse(stage, out)
        return stage.counts, await check(stage)
