"""`zikao-registration`: serve, migrate, rotate keys, and verify the audit log."""

from zikao_kit.audit_command import add_audit_command
from zikao_kit.cli import service_cli
from zikao_kit.key_commands import add_key_commands

from zikao_registration.audit_table import AUDIT
from zikao_registration.config import RegistrationConfig
from zikao_registration.main import serve_registration
from zikao_registration.names import PACKAGE
from zikao_registration.sealed_columns import SEALED
from zikao_registration.signing_key_commands import rotate_signing_key_command

# On asyncio's own loop: answers that take even time need a finer clock than uvloop's.
main = service_cli(PACKAGE, RegistrationConfig, serve_registration)
add_key_commands(main, PACKAGE, RegistrationConfig, SEALED)
main.add_command(rotate_signing_key_command)
add_audit_command(main, PACKAGE, RegistrationConfig, AUDIT)

if __name__ == "__main__":
    main()
