"""Finding out what a store wants, and what is wrong when it does not answer. Writes only below a
key of its own, which it removes."""
