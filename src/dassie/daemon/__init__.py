"""The server processes, `pachd` and its workers: the only place that reads configuration and
builds objects."""
