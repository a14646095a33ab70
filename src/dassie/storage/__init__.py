"""Immutable bytes: chunks, packs, trees, and the one collector that deletes them."""
