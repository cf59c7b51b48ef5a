"""What the examples have in common: where the services are, and as whom to call them."""

from __future__ import annotations

import argparse
from pathlib import Path

from zikao_client import CertFiles, Endpoints, ZikaoClient
from zikao_client.clocks import Clock, OffsetClock, SystemClock


def parser(description: str) -> argparse.ArgumentParser:
    """The options of every example; the addresses are those of `zikao up`."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--registration", default="127.0.0.1:7101")
    made.add_argument("--enrollment", default="127.0.0.1:7102")
    made.add_argument("--tickets", default="127.0.0.1:7103")
    made.add_argument("--certs", type=Path, default=Path("out/zikao/certs"))
    made.add_argument("--clock", type=Path, help="clock.json of a rehearsal that moves the time")
    return made


def client(asked: argparse.Namespace, name: str) -> ZikaoClient:
    """Connections as the system `name`: the last part of its certificate's SPIFFE id."""
    endpoints = Endpoints(asked.registration, asked.enrollment, asked.tickets)
    return ZikaoClient(endpoints, certificate(asked, name))


def clock(asked: argparse.Namespace) -> Clock:
    """The machine's clock, or a rehearsal's."""
    return OffsetClock(asked.clock) if asked.clock else SystemClock()


def certificate(asked: argparse.Namespace, name: str) -> CertFiles:
    """The files of a system, as `zikao up` lays them out."""
    folder: Path = asked.certs
    return CertFiles(folder / f"{name}.pem", folder / f"{name}.key", folder / "ca.pem")
