"""The tickets service's configuration."""

from pathlib import Path
from typing import Any

import pytest
from zikao_kit.config import CertFiles, DatabaseConfig, PeerConfig, ServerConfig
from zikao_kit.config_loading import ConfigError
from zikao_tickets.config import TicketsConfig
from zikao_tickets.main import serve_tickets


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
    with pytest.raises(ValueError, match=f"{field} must be from"):
        configured(**{field: value})


async def test_a_service_that_could_not_print_does_not_start(tmp_path: Path) -> None:
    """A font that is none is named before anything else is opened."""
    (tmp_path / "rare.ttf").write_bytes(b"no font")
    with pytest.raises(ConfigError, match=r"rare\.ttf"):
        await serve_tickets(configured(font_directories=(tmp_path,)))


def configured(**changes: Any) -> TicketsConfig:
    """A configuration of files that there are not."""
    tls = CertFiles(Path("a.pem"), Path("a.key"), Path("ca.pem"))
    peer = PeerConfig("127.0.0.1:1", "somebody")
    return TicketsConfig(
        ServerConfig("127.0.0.1:0", tls),
        DatabaseConfig(dsn="postgresql://"),
        Path("keys.yaml"),
        registration=peer,
        enrollment=peer,
        **changes,
    )
