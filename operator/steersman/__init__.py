"""Steersman: model versions from MLflow, into production by weights and back by evidence."""

__version__ = "0.1.0"
