"""What the shell needs of the outside world; adapters implement it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from steersman.api.conditions import Reason
from steersman.core.analysis.model import MetricQuery, Sample, Series
from steersman.core.gates.facts import Needs, VersionFacts
from steersman.core.notifications.note import Words

Manifest = dict[str, Any]
Manifests = list[Manifest]
"""For classes in which `list` is a method."""

NO_VERSION = "1"
"""A resourceVersion that no object has, for the first write to etcd is number 2: an apply with it creates, and does nothing else."""


class MetricError(Exception):
    """A metric query was not answered; the message says why and holds no secret."""


class AccessRefused(MetricError):  # noqa: N818
    """The server did not accept the credentials: they are worth reading anew."""


@dataclass(frozen=True)
class Secrets:
    """The Secrets that a query's settings name; never shown."""

    namespace: str = ""
    values: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict, repr=False)
    """By the Secret's name and key."""

    def text(self, secret: str, key: str) -> str:
        """A value as text, without blanks around it. Raises MetricError that names Secret and key."""
        found = self.optional(secret, key)
        if found is None:
            raise MetricError(f"Secret {secret!r} in namespace {self.namespace!r} has no key {key!r}")
        return found

    def optional(self, secret: str, key: str) -> str | None:
        """The same, or None when the key is not there."""
        raw = self.values.get(secret, {}).get(key)
        if raw is None:
            return None
        try:
            return raw.decode().strip()
        except UnicodeDecodeError:
            raise MetricError(f"key {key!r} of Secret {secret!r} in namespace {self.namespace!r} is not text") from None

    def __hash__(self) -> int:
        return hash(self.namespace)


class MetricProvider(Protocol):
    """Answers queries."""

    async def query(self, query: MetricQuery) -> tuple[Sample, ...]:
        """Evaluate at the query's moment. Raises MetricError, also on a timeout or too large an answer."""
        ...

    async def query_range(self, query: MetricQuery) -> tuple[Series, ...]:
        """Values over the time that the query's `over` names. Raises MetricError, also when there can be none."""
        ...


class MetricServer(Protocol):
    """One kind of metric server, such as Prometheus; gets the Secrets that the query's settings name."""

    async def query(self, query: MetricQuery, secrets: Secrets) -> tuple[Sample, ...]:
        """Evaluate at the query's moment. Raises MetricError, also on a timeout or too large an answer."""
        ...

    async def query_range(self, query: MetricQuery, secrets: Secrets) -> tuple[Series, ...]:
        """Values over the time that the query's `over` names. Raises MetricError, also when there can be none."""
        ...

    async def close(self) -> None:
        """End what is under way and close the connections."""
        ...


class NotificationError(Exception):
    """A notification was not delivered; the message says why and shows nothing of the target's address."""

    def __init__(self, message: str, *, hopeless: bool = False) -> None:
        super().__init__(message)
        self.hopeless = hopeless
        """Whether somebody has to change something first."""


class NotificationSender(Protocol):
    """Delivers notifications."""

    async def send(self, url: str, words: Words, owner: str) -> None:
        """Deliver to an apprise URL, which is a secret. `owner` is the namespace that named it, empty for the operator's own: one owner's
        servers that hang hold up no other's. Raises NotificationError.
        """
        ...

    async def close(self) -> None:
        """Begin no more; what is under way ends by its own time limit."""
        ...


class RegistryError(Exception):
    """A registry did not name a version; the reason says which of the kinds of trouble it is."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        """RegistryUnreachable, RegistryUnauthorized, RegistryError, ModelNotFound, VersionNotFound, AliasNotFound or NoMatchingVersion."""


@dataclass(frozen=True)
class VersionSelector:
    """Which version of a registered model is meant: exactly one of version, alias and tags is set. Hashable."""

    model: str
    version: str | None = None
    alias: str | None = None
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RegistryCredentials:
    """What to authenticate with; never shown."""

    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ModelVersion:
    """A version that a registry named."""

    model: str
    version: str
    model_id: str | None = None
    run_id: str | None = None


class ModelRegistryClient(Protocol):
    """A model registry."""

    async def resolve(
        self, url: str, credentials: RegistryCredentials | None, selector: VersionSelector
    ) -> ModelVersion:
        """The version that the selector names now. Raises RegistryError."""
        ...

    async def aliases(
        self, url: str, credentials: RegistryCredentials | None, wanted: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], str]:
        """The versions of those of the wanted (model, alias) pairs that a search finds, in far fewer requests than pairs.

        What it does not find may be there all the same: `resolve` knows. Raises RegistryError.
        """
        ...

    async def facts(
        self, url: str, credentials: RegistryCredentials | None, model: str, version: str, needs: Needs
    ) -> VersionFacts:
        """What the registry knows of a version, as far as it is needed; what cannot be read is Unknown in its place.

        Raises RegistryError when the version itself cannot be read.
        """
        ...

    async def file(
        self, url: str, credentials: RegistryCredentials | None, model: str, version: str, path: str, limit: int
    ) -> bytes | None:
        """A file of the version's artifact of at most so many bytes; None when it is not there. Raises RegistryError."""
        ...


class ModelRegistryWriter(Protocol):
    """A model registry to which the little is written that users asked for. Saying the same twice changes nothing."""

    async def set_tag(
        self, url: str, credentials: RegistryCredentials | None, version: tuple[str, str], key: str, value: str
    ) -> None:
        """Set a tag of a version, given as (model, version). Raises RegistryError, VersionNotFound when it is gone."""
        ...

    async def set_alias(
        self, url: str, credentials: RegistryCredentials | None, version: tuple[str, str], alias: str
    ) -> None:
        """Have an alias name a version, given as (model, version). Raises RegistryError, VersionNotFound when it is gone."""
        ...


class ReplayError(Exception):
    """A golden request was not answered, and is worth sending again; the message says why."""


class Replay(Protocol):
    """Sends golden requests to revisions."""

    async def send(self, namespace: str, service: str, path: str, body: str, timeout: float) -> Any:  # noqa: ASYNC109
        """The answer as parsed JSON, or steersman.core.gates.golden.Refused. `timeout` is in seconds. Raises ReplayError."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class Conflict(Exception):  # noqa: N818
    """The object changed since it was read (HTTP 409)."""


class NotFound(Exception):  # noqa: N818
    """The object, or its kind, is not there (HTTP 404)."""


class ApiError(Exception):
    """The API server refused or failed: status (0 for no answer) and its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class KubeClient(Protocol):
    """The API server, as far as the operator uses it. Manifests are plain dicts; every call has a timeout."""

    async def get(self, api_version: str, kind: str, namespace: str | None, name: str) -> Manifest:
        """Read one object. Raises NotFound, ApiError."""
        ...

    async def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        *,
        at_most: int | None = None,
    ) -> list[Manifest]:
        """Read all pages of a kind, or the first `at_most` objects. Raises NotFound when the kind is not served, ApiError."""
        ...

    async def list_at(
        self, api_version: str, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> tuple[Manifests, str]:
        """All pages of a kind, and the resourceVersion at which they are true. Raises NotFound when it is not served, ApiError."""
        ...

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply under the one field manager, forcing. A metadata.resourceVersion guards it: the object must be
        in that version, which `NO_VERSION` never is. Raises Conflict, NotFound when kind or namespace is gone, ApiError.
        """
        ...

    async def json_patch(
        self, api_version: str, kind: str, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]
    ) -> Manifest:
        """Change somebody else's object by a JSON patch (RFC 6902) that begins with a `test` of its resourceVersion.

        Raises Conflict when it is in another version, NotFound, ApiError.
        """
        ...

    async def replace_status(self, manifest: Manifest) -> Manifest:
        """Write .status of an object guarded by its metadata.resourceVersion. Raises Conflict, NotFound, ApiError."""
        ...

    async def remove_annotation(self, manifest: Manifest, key: str) -> None:
        """Remove an annotation while it still has the value that the manifest shows; gone or changed is fine. Raises ApiError."""
        ...

    async def delete(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        name: str,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete (background propagation), only that uid when given; a missing object is fine. With a resource_version
        only the object in that version, else Conflict. Raises Conflict, ApiError.
        """
        ...

    async def create(self, manifest: Manifest) -> Manifest:
        """Create. Raises Conflict when it exists, ApiError."""
        ...

    async def replace(self, manifest: Manifest) -> Manifest:
        """Replace guarded by metadata.resourceVersion (Lease). Raises Conflict, NotFound, ApiError."""
        ...


class Watcher(Protocol):
    """Watches of single objects."""

    async def get(self, api_version: str, kind: str, namespace: str | None, name: str) -> Manifest:
        """Read one object. Raises NotFound, ApiError."""
        ...

    async def list_at(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> tuple[list[Manifest], str]:
        """Read all objects that the selectors choose, with the resourceVersion from which a watch goes on.

        Raises NotFound when the kind is not served, ApiError.
        """
        ...

    def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        resource_version: str,
        fields: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[tuple[str, Manifest]]:
        """One watch, until the server ends it: pairs of ADDED, MODIFIED, DELETED or BOOKMARK and the object.

        Raises ApiError(410) when the resourceVersion is too old, other ApiErrors, NotFound.
        """
        ...
