"""Pipelines of other systems, that train: one module for each."""
