"""Versioned data: projects, repos, branches, commits, provenance, files."""
