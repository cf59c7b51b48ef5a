"""`zikao-registration serve` and `zikao-registration migrate`."""

from zikao_kit.cli import service_cli

from zikao_registration.config import RegistrationConfig
from zikao_registration.main import serve_registration
from zikao_registration.names import PACKAGE

main = service_cli(PACKAGE, RegistrationConfig, serve_registration)

if __name__ == "__main__":
    main()
