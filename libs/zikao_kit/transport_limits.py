"""What gRPC's transport is told to bear of one connection, and of all.

`make bench-abuse` measures what abusers do within these bounds; docs/abuse.md says what they
stand against and what must be done outside.
"""

from __future__ import annotations

import math
from typing import Any

from zikao_kit.config import KIBIBYTE, ServerConfig

# Above 1000 calls that have come at once gRPC cancels some by itself, and does not say when to come
# again: callers' gRPC repeats them soon. Below this, of the whole process, we say what is too
# many. Each waits in some 30 KiB of memory.
MAX_PENDING_CALLS = 20_000
# Who connects and says nothing holds a connection no longer. Longer than clients wait for one.
HANDSHAKE_MS = 10_000
# What is read of a connection in one turn, and what the kernel takes ahead of that (twice as much
# with what it needs itself). All of it is still worked on after a connection was let go: of gRPC's
# 4 MiB a turn that is 300,000 frames a connection. Enough for 6 MB/s at 10 ms from here.
MOST_READ_BYTES = 16 * KIBIBYTE
RECEIVE_BUFFER_BYTES = 64 * KIBIBYTE
# 0 is no limit. With one gRPC notes at every ping beyond it why it is about to close, in a text
# that it copies and makes longer each time, for as long as the pinger does not read: one
# connection keeps a core, and grows without end. Without one a ping costs its answer, and who
# takes no answers is not read any more. The warden lets go of who pings for nothing.
PING_STRIKES = 0

# 1 lets a stream's window grow with the line, to 4 MiB and more that wait in memory for a service
# that has not asked for it, and that the warden cannot tell from a flood. Without it 64 KiB wait,
# and the rest of the message that is asked for.
PROBES_OF_BANDWIDTH = 0


def server_options(config: ServerConfig) -> list[tuple[str, Any]]:
    """The options of each listener: gRPC counts what it bounds of each apart."""
    connections = math.ceil(config.max_connections / config.listeners)
    # Two busy connections may come to one listener, and none to another.
    fewest_pending = 2 * config.max_calls_per_connection
    pending = max(MAX_PENDING_CALLS // config.listeners, fewest_pending)
    return [
        ("grpc.max_receive_message_length", config.max_receive_bytes),
        ("grpc.max_send_message_length", config.max_send_bytes),
        # The same twice: between two bounds gRPC would refuse by chance.
        ("grpc.max_metadata_size", config.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", config.max_metadata_bytes),
        ("grpc.max_allowed_incoming_connections", connections),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
        ("grpc.max_connection_age_ms", round(config.max_connection_age_seconds * 1000)),
        # What is not read by then is lost: a reader that does not read keeps no memory longer.
        # Subscriptions end with their connection too, and begin again where they were.
        ("grpc.max_connection_age_grace_ms", round(config.max_stream_seconds * 1000)),
        ("grpc.max_concurrent_streams", config.max_calls_per_connection),
        ("grpc.server.max_pending_requests", pending),
        ("grpc.server.max_pending_requests_hard_limit", pending),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_ping_strikes", PING_STRIKES),
        ("grpc.http2.bdp_probe", PROBES_OF_BANDWIDTH),
        ("grpc.experimental.tcp_read_chunk_size", MOST_READ_BYTES),
        ("grpc.experimental.tcp_max_read_chunk_size", MOST_READ_BYTES),
        ("grpc.tcp_receive_buffer_size", RECEIVE_BUFFER_BYTES),
    ]
