"""Measurements that are repeated by a command; what they found is in docs/benchmarks.md."""
