"""A model version as a pod: the overlay on a runtime, and the security that every such pod has."""
