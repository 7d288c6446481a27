"""The message that Kubernetes shows for a container that ended."""

import os
import sys
from pathlib import Path

LIMIT = 4096
"""Bytes that Kubernetes keeps of a termination message."""


def report(message: str) -> None:
    """Write `message` to standard error and, inside a pod, to the container's termination log."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()
    path = Path(os.environ.get("TERMINATION_LOG", "/dev/termination-log"))
    try:
        with path.open("r+b") as log:  # exists only where the kubelet has mounted it
            log.write(message.encode()[:LIMIT])
            log.truncate()
    except OSError:
        return  # standard error has it
