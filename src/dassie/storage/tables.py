"""Tables of immutable storage. None is journaled: `recover` rebuilds them from the packs.

Times are microseconds since the epoch, so that the same comparison works on every database.
"""

from __future__ import annotations

import sqlalchemy as sa

from dassie.meta.schema import metadata

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")

packs = sa.Table(
    "packs",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("chunks", sa.Integer, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    # The collector found nothing in use here; the pack goes when nobody can be using it any more.
    sa.Column("condemned_at", sa.BigInteger),
    # A tombstone: the object is gone, and an upload that was overtaken must not bring it back.
    sa.Column("deleted_at", sa.BigInteger),
    sqlite_autoincrement=True,
)

chunks = sa.Table(
    "chunks",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),
    sa.Column("pack", _ID, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("stored", sa.BigInteger, nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("codec", sa.SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
