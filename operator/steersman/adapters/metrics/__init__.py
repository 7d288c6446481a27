"""Metric providers."""
