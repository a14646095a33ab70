"""Rows: one schema on SQLite and PostgreSQL, transactions, notifications, the journal. Knows
nothing of PFS."""
