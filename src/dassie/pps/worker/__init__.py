"""The worker: takes datums from pachd, runs user code on them, stores what it wrote."""
