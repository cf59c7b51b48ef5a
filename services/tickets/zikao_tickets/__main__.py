"""`zikao-tickets serve` and `zikao-tickets migrate`."""

from zikao_kit.cli import service_cli

from zikao_tickets.config import TicketsConfig
from zikao_tickets.main import serve_tickets
from zikao_tickets.names import PACKAGE

main = service_cli(PACKAGE, TicketsConfig, serve_tickets)

if __name__ == "__main__":
    main()
