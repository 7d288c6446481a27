"""What the kit raises.

    ClusterError
    ├── MissingRequirement   the machine lacks something that the kit cannot install by itself
    ├── AlreadyRunning       a cluster of that name is up
    ├── NotRunning           no cluster of that name is up
    ├── BuildFailed          a binary or an image could not be built
    └── StartFailed          a part of the cluster did not come up in time

Every message says in one or two sentences what is wrong and what to do next; the command line prints it without a
stack trace.
"""


class ClusterError(Exception):
    """A failure that is explained to the person who asked for the cluster."""


class MissingRequirement(ClusterError):  # noqa: N818 - read as a condition, not as a bug
    """The machine lacks a right, a program or room that the kit cannot provide."""


class AlreadyRunning(ClusterError):  # noqa: N818
    """A cluster of that name is up already."""


class NotRunning(ClusterError):  # noqa: N818
    """No cluster of that name is up."""


class BuildFailed(ClusterError):  # noqa: N818
    """A binary or an image could not be built."""


class StartFailed(ClusterError):  # noqa: N818
    """A part of the cluster did not come up in time."""
