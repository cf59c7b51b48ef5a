"""Writes deploy/grafana/*.json; `--check` says whether they are what the modules beside it say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from dashboards.money import MONEY
from dashboards.panels import Dashboard, Panel, Row
from dashboards.review import REVIEW
from dashboards.rush import RUSH
from dashboards.tickets import TICKETS

DASHBOARDS = (RUSH, MONEY, REVIEW, TICKETS)
FOLDER = Path(__file__).parents[2] / "deploy" / "grafana"
# Of the format: what Grafana 11 writes.
SCHEMA_VERSION = 39
GRID_WIDTH = 24
PANELS_IN_A_ROW = 3
PANEL_HEIGHT = 8
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def main() -> int:
    """Write all dashboards, or compare."""
    check = "--check" in sys.argv[1:]
    stale = []
    FOLDER.mkdir(exist_ok=True)
    for dashboard in DASHBOARDS:
        path, text = FOLDER / f"{dashboard.name}.json", written(dashboard)
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            stale.append(path.name)
        elif not check:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"deploy/grafana: {', '.join(stale)} not up to date: run `make protos`")  # noqa: T201
    return bool(stale)


def written(dashboard: Dashboard) -> str:
    """A dashboard as its file."""
    content = {
        "uid": f"zikao-{dashboard.name}",
        "title": f"zikao: {dashboard.title}",
        "description": dashboard.description,
        "tags": ["zikao"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": _variables(dashboard)},
        "annotations": {"list": [_alerts()]},
        "links": [_links()],
        "panels": _panels(dashboard),
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _variables(dashboard: Dashboard) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    ]
    if dashboard.sessions_of:
        query = f"label_values({dashboard.sessions_of}, session)"
        found.append(
            {
                "name": "session",
                "label": "Session",
                "type": "query",
                "datasource": SOURCE,
                "query": {"query": query, "refId": "session"},
                "definition": query,
                "refresh": 2,
                "sort": 2,
            }
        )
    return found


def _alerts() -> dict[str, Any]:
    """Alerts that fire, as marks in all panels."""
    return {
        "name": "Alerts",
        "enable": True,
        "datasource": SOURCE,
        "iconColor": "red",
        "expr": 'ALERTS{alertname=~"Zikao.*", alertstate="firing"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{job}}",
    }


def _links() -> dict[str, Any]:
    return {
        "type": "dashboards",
        "title": "zikao",
        "tags": ["zikao"],
        "asDropdown": True,
        "keepTime": True,
        "includeVars": True,
    }


def _panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    top = 0
    for row in dashboard.rows:
        found.append(_row(len(found) + 1, row, top))
        top += 1
        width = GRID_WIDTH // PANELS_IN_A_ROW
        for number, panel in enumerate(row.panels):
            line, column = divmod(number, PANELS_IN_A_ROW)
            place = {"x": column * width, "y": top + line * PANEL_HEIGHT}
            size = {"w": width, "h": PANEL_HEIGHT}
            found.append(_panel(len(found) + 1, panel, place | size))
        top += -(-len(row.panels) // PANELS_IN_A_ROW) * PANEL_HEIGHT
    return found


def _row(number: int, row: Row, top: int) -> dict[str, Any]:
    place = {"x": 0, "y": top, "w": GRID_WIDTH, "h": 1}
    return {
        "id": number,
        "type": "row",
        "title": row.title,
        "collapsed": False,
        "gridPos": place,
        "panels": [],
    }


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    kind = "stat" if panel.is_number else "timeseries"
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.bad_above is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.bad_above}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        if not panel.is_number:
            defaults["custom"] = {"thresholdsStyle": {"mode": "line"}}
    targets = [
        {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
        for index, (legend, expr) in enumerate(panel.queries.items())
    ]
    return {
        "id": number,
        "type": kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(kind),
        "targets": targets,
    }


def _options(kind: str) -> dict[str, Any]:
    if kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background"}
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}


if __name__ == "__main__":
    sys.exit(main())
