"""`zikao-enrollment serve` and `zikao-enrollment migrate`."""

from zikao_kit.cli import service_cli

from zikao_enrollment.config import EnrollmentConfig
from zikao_enrollment.main import serve_enrollment
from zikao_enrollment.names import PACKAGE

main = service_cli(PACKAGE, EnrollmentConfig, serve_enrollment)

if __name__ == "__main__":
    main()
