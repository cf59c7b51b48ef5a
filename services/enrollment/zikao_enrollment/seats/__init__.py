"""From a wish to its seats: who waits at the door, and how batches are decided."""
