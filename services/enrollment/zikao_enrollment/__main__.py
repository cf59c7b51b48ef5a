"""`zikao-enrollment`: serve, migrate, and verify the audit log."""

import uvloop
from zikao_kit.audit_command import add_audit_command
from zikao_kit.cli import service_cli

from zikao_enrollment.audit_table import AUDIT
from zikao_enrollment.config import EnrollmentConfig
from zikao_enrollment.main import serve_enrollment
from zikao_enrollment.names import PACKAGE

main = service_cli(PACKAGE, EnrollmentConfig, serve_enrollment, uvloop.new_event_loop)
add_audit_command(main, PACKAGE, EnrollmentConfig, AUDIT)

if __name__ == "__main__":
    main()
