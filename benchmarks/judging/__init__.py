"""Judges of canaries on the same simulated requests: Steersman's, and other systems' rules restated."""
