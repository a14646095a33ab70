"""Dassie: versioned data and incremental pipelines that speak Pachyderm 2.12's API."""

__version__ = "0.1.0"
