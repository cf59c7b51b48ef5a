"""What a system needs that zikao calls, such as a payment platform: mutual TLS, and who calls.

watch = CertificateWatch(files, "server")     # takes replaced files over, without a restart
server.add_secure_port("0.0.0.0:7104", server_credentials_of(watch))
…
if peer_name(context.auth_context()) != "enrollment": …
"""

from zikao_kit.certificates import CertificateWatch, server_credentials_of
from zikao_kit.tls import peer_name

__all__ = ["CertificateWatch", "peer_name", "server_credentials_of"]
