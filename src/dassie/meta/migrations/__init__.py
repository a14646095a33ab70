"""The schema's history. `scripts/new-migration` writes a version; `meta.migrate` applies them."""

from __future__ import annotations

HEAD = "0001"
"""The newest version. Known here without loading Alembic, which would slow every start."""
