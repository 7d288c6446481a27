"""The steersman command."""
