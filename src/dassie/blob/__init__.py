"""Bytes by key: the object-store contract, its drivers and wrappers. Knows nothing of chunks."""
