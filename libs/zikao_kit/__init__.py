"""What every zikao service shares: server, errors, configuration, database, crypto."""

import os

# gRPC for Python stops and restarts its threads around every fork, and crashes one child in
# thirty before it becomes the program that it is to be (grpc/grpc#13998, #32992): uvloop's way of
# starting processes forks, Python's own does not. Nobody here forks to go on with gRPC in the
# child. It is read when gRPC starts, which happens after this.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

# gRPC writes a line for each handshake that fails and for much that a flood sends: whoever abuses
# a server would fill its disk. Set it to see why a handshake fails (docs/transport.md).
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
