"""Pipelines: specs, inputs → datums, jobs, scheduling, executors, workers."""
