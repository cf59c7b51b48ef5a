"""`zikao-tickets`: serve, migrate, and rotate keys."""

import uvloop
from zikao_kit.cli import service_cli
from zikao_kit.key_commands import add_key_commands

from zikao_tickets.config import TicketsConfig
from zikao_tickets.main import serve_tickets
from zikao_tickets.names import PACKAGE
from zikao_tickets.sealed_columns import SEALED

main = service_cli(PACKAGE, TicketsConfig, serve_tickets, uvloop.new_event_loop)
add_key_commands(main, PACKAGE, TicketsConfig, SEALED)

if __name__ == "__main__":
    main()
