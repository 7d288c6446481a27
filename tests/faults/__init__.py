"""A reverse proxy before a real API server that injects faults by rule, and an independent witness of what really happened."""
