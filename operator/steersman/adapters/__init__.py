"""Adapters: the outside world behind the Protocols of ports.py."""
