"""The tickets service's configuration."""

from pathlib import Path
from typing import Any

import pytest
from zikao_kit.config import CertFiles, DatabaseConfig, PeerConfig, ServerConfig
from zikao_tickets.config import TicketsConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("render_processes", 0),
        ("solve_processes", 0),
        ("poll_seconds", 0),
        ("photo_again_seconds", -1),
        ("arrangement_lease_seconds", 0),
        ("document_retention_days", -1),
    ],
)
def test_nonsense_is_refused_by_name(field: str, value: float) -> None:
    """Somebody prints, and nothing works without a pause."""
    tls = CertFiles(Path("a.pem"), Path("a.key"), Path("ca.pem"))
    peer = PeerConfig("127.0.0.1:1", "somebody")
    changes: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=f"{field} must be from"):
        TicketsConfig(
            ServerConfig("127.0.0.1:0", tls),
            DatabaseConfig(dsn="postgresql://"),
            Path("keys.yaml"),
            registration=peer,
            enrollment=peer,
            **changes,
        )
