"""How many pods a revision has, what protects them, and why they do not come: autoscalers, budgets, image pulls, diagnosis."""

from steersman.core.capacity.scaling import base_replicas

__all__ = ["base_replicas"]
