"""`zikao-enrollment serve` and `zikao-enrollment migrate`."""

import uvloop
from zikao_kit.cli import service_cli

from zikao_enrollment.config import EnrollmentConfig
from zikao_enrollment.main import serve_enrollment
from zikao_enrollment.names import PACKAGE

main = service_cli(PACKAGE, EnrollmentConfig, serve_enrollment, uvloop.new_event_loop)

if __name__ == "__main__":
    main()
