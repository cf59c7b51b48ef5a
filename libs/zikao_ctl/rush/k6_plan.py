"""The plan of a rehearsal as tests/load/opening.js reads it, for operators who have k6."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zikao_kit.files import write_whole

from zikao_ctl.rush.people import Candidate, make_candidates, plan_sha256
from zikao_ctl.rush.preparing import rehearsed_session
from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.session_file import load_session_file

OPENING_FILE = "opening.json"


def write_k6_plan(scenario: Scenario, seed: int, folder: Path) -> Path:
    """Write opening.json into the folder; return its path. Raises SessionFileError, OSError."""
    session = rehearsed_session(scenario, load_session_file(scenario.session))
    people = list(make_candidates(scenario, session, seed))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / OPENING_FILE
    write_whole(path, json.dumps(k6_plan(scenario, session.code, people)))
    return path


def k6_plan(scenario: Scenario, session_code: str, people: Sequence[Candidate]) -> dict[str, Any]:
    """What opening.json holds: the curve as points, and what the n-th of those who come wants."""
    return {
        "scenario": scenario.name,
        "session_code": session_code,
        "candidates": len(people),
        "seconds": scenario.longest_opening_seconds,
        "arrival": scenario.arrival,
        "plan_sha256": plan_sha256(people),
        "wishes": [
            {"course_codes": each.course_codes, "county_codes": each.county_codes}
            for each in people
        ],
    }
