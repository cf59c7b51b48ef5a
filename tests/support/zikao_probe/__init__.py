"""A package like a service, with a schema of its own: what the tests of the kit migrate."""
