"""The one schema of the metadata database, and the few tables that belong to no domain.

Every layer defines its tables on `metadata` in its own `tables.py`. A table whose rows must survive
the loss of the database has `info={"journal": True}`: its rows are written through
`Tx.insert/update/delete`, which note them for the journal.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

JOURNAL: Final = {"journal": True}
"""`Table(info=JOURNAL)`: rows are rebuilt from the object store when the database is lost."""

NUMBER: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""Type of row numbers. SQLite's own row number is an `INTEGER PRIMARY KEY` and nothing else."""

metadata = sa.MetaData(
    naming_convention={
        "ix": "%(table_name)s_by_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

# Row numbers are drawn from here and never used twice, unlike `max(id) + 1` or a rolled-back
# sequence.
counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

# Row changes of committed transactions that no journal object holds yet, one row per transaction.
journal_outbox = sa.Table(
    "journal_outbox",
    metadata,
    sa.Column("seq", NUMBER, primary_key=True, autoincrement=False),
    sa.Column("changes", sa.Text, nullable=False),
)
