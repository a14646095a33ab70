"""Where workers run: one interface, one module per kind of place."""
