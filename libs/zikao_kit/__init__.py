"""What every zikao service shares: server, errors, configuration, database, crypto."""

import os

# gRPC reads this once, when it is imported: connections are read by the thread that hands their
# calls to the event loop, not by a pool of threads before it (7 to 11 % of a call).
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")
