"""The way to the cluster, on the user's own kubeconfig."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

Manifest = dict[str, Any]


class UserClient(Protocol):
    """What the commands need of a cluster. Every method raises ports.NotFound or ports.ApiError."""

    namespace: str
    """The namespace in which names are looked up."""

    async def get(self, name: str) -> Manifest:
        """One ModelDeployment."""
        ...

    async def list(self, all_namespaces: bool = False) -> Sequence[Manifest]:
        """The namespace's ModelDeployments, or those of all namespaces."""
        ...

    def watch(self, name: str | None = None, all_namespaces: bool = False) -> AsyncIterator[tuple[str, Manifest]]:
        """(ADDED, MODIFIED or DELETED, object): first what is there, then each change, reconnecting by itself."""
        ...

    async def annotate(self, name: str, annotations: Mapping[str, str | None]) -> Manifest:
        """Set annotations of a ModelDeployment; None removes one."""
        ...

    async def registry(self, name: str) -> Manifest:
        """A ModelRegistry of the namespace."""
        ...

    async def events(self, name: str) -> Sequence[Manifest]:
        """Kubernetes events about a ModelDeployment."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


async def connect(context: str | None, namespace: str | None) -> UserClient:
    """Log in with the kubeconfig. Raises ApiError(0) with a message for the user."""
    from steersman.adapters.kube.user import connect_user

    return await connect_user(context, namespace)
