"""The gRPC methods: protobuf in, protobuf out; rules are in commands and domain."""
