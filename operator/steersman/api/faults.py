"""What is wrong with data that a model refuses, in one line."""

from __future__ import annotations

from pydantic import ValidationError


def faults(error: ValidationError, at_most: int = 3) -> str:
    """`spec.replicas: Input should be ...; ...`, the first few."""
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:at_most])
