"""The rules of registration: pure, without grpc, database, clock or I/O."""
