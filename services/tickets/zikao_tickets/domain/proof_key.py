"""A key with which ticket proofs are signed."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class ProofKey:
    """A key of the proof; a retired one still verifies and signs no more."""

    key_id: str
    private_key: Ed25519PrivateKey
    retired: bool
