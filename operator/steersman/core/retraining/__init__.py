"""Retraining: when a training begins, and what becomes of it.

Everything is decided from the recorded status and from answers; that something is to begin is in the status before it is asked for.
"""
