"""`zikao-tickets`: serve, migrate, rotate keys, and verify the audit log."""

import uvloop
from zikao_kit.audit_command import add_audit_command
from zikao_kit.cli import service_cli
from zikao_kit.key_commands import add_key_commands

from zikao_tickets.audit_table import AUDIT
from zikao_tickets.config import TicketsConfig
from zikao_tickets.main import serve_tickets
from zikao_tickets.names import PACKAGE
from zikao_tickets.proof_key_commands import retire_proof_key_command, rotate_proof_key_command
from zikao_tickets.sealed_columns import SEALED

main = service_cli(PACKAGE, TicketsConfig, serve_tickets, uvloop.new_event_loop)
add_key_commands(main, PACKAGE, TicketsConfig, SEALED)
main.add_command(rotate_proof_key_command)
main.add_command(retire_proof_key_command)
add_audit_command(main, PACKAGE, TicketsConfig, AUDIT)

if __name__ == "__main__":
    main()
