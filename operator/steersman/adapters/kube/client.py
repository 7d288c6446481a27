"""The KubeClient port on `kubernetes.aio`: plain dicts in and out.

It uses the library's login, TLS and session (kubernetes.aio.client.ApiClient), not its dynamic client: that one passes no
timeouts to discovery, wraps every object, and offers neither preconditions nor apply in a form simpler than the bare request.
Its typed models are out of the question, because they drop fields that they do not know.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final

from steersman.adapters.kube import login
from steersman.adapters.kube.discovery import Discovery, Resource
from steersman.adapters.kube.rest import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    REQUEST_TIMEOUT,
    ApiServer,
    RequestObserver,
)
from steersman.api.meta import FIELD_MANAGER
from steersman.ports import ApiError, Conflict, Manifest, NotFound

Manifests = list[Manifest]
"""Inside the class below `list` is a method."""

PAGE_SIZE: Final = 500
"""Objects per page of a list."""
WATCH_SECONDS: Final = 300
"""After so long the server ends a watch."""


async def connect(
    context: str | None = None, *, on_request: RequestObserver | None = None, request_timeout: float = REQUEST_TIMEOUT
) -> AioKubeClient:
    """A client of the pod's own cluster, or of the kubeconfig's context (also when a context is named).

    Nothing is sent yet. `request_timeout` is in seconds, for each attempt. Raises ApiError(0) without usable credentials.
    """
    if context is None and login.in_pod():
        configuration = login.in_cluster_configuration()
    else:
        configuration, _ = await login.kubeconfig(context)
    return AioKubeClient(ApiServer(configuration, on_request=on_request, request_timeout=request_timeout))


class AioKubeClient:
    """Implements steersman.ports.KubeClient. `async with` closes it."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._discovery = Discovery(server)

    @property
    def host(self) -> str:
        """URL of the API server."""
        return self._server.host

    async def __aenter__(self) -> AioKubeClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()

    async def get(self, api_version: str, kind: str, namespace: str | None, name: str) -> Manifest:
        """Read one object. Raises NotFound, ApiError."""
        resource = await self._discovery.resource(api_version, kind)
        return await self._server.request("get", kind, "GET", resource.path(namespace, name))

    async def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        at_most: int | None = None,
    ) -> Manifests:
        """Read all pages of a kind, or the first `at_most` objects; `fields` is a field selector.

        Raises NotFound when the kind is not served, ApiError.
        """
        if at_most is not None:
            resource = await self._discovery.resource(api_version, kind)
            items, _ = await self._pages(resource, namespace, labels, fields, at_most, first_only=True)
        else:
            items, _ = await self.list_at(api_version, kind, namespace, labels, fields)
        return items

    async def list_at(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> tuple[Manifests, str]:
        """As `list`, with the resourceVersion from which a watch goes on."""
        resource = await self._discovery.resource(api_version, kind)
        try:
            return await self._pages(resource, namespace, labels, fields, PAGE_SIZE)
        except ApiError as error:
            if error.status != 410:
                raise
            # The continue token expired between two pages; one full answer cannot.
            return await self._pages(resource, namespace, labels, fields, None)

    async def _pages(
        self,
        resource: Resource,
        namespace: str | None,
        labels: Mapping[str, str] | None,
        fields: Mapping[str, str] | None,
        limit: int | None,
        first_only: bool = False,
    ) -> tuple[Manifests, str]:
        query = _selectors(labels, fields)
        if limit is not None:
            query["limit"] = str(limit)
        items: Manifests = []
        while True:
            page = await self._server.request("list", resource.kind, "GET", resource.path(namespace), query=query)
            # Items of a built-in kind's list do not say what they are.
            said = {"apiVersion": resource.api_version, "kind": resource.kind}
            items.extend({**item, **said} for item in page.get("items") or [])
            metadata = page.get("metadata", {})
            if first_only or not metadata.get("continue"):
                return items, metadata.get("resourceVersion", "")
            query["continue"] = metadata["continue"]

    async def watch(
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
        resource = await self._discovery.resource(api_version, kind)
        query = {
            **_selectors(None, fields),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        path = resource.path(namespace)
        async with contextlib.aclosing(
            self._server.stream("watch", kind, path, query=query, idle_timeout=WATCH_SECONDS + 30)
        ) as events:
            async for event in events:
                kind_of_event, item = event.get("type"), event.get("object")
                if not isinstance(kind_of_event, str) or not isinstance(item, dict):
                    raise ApiError(0, f"the answer of {self.host} is not a watch event")
                if kind_of_event == "ERROR":
                    raise ApiError(int(item.get("code", 0)), str(item.get("message", "the watch failed")))
                yield kind_of_event, item

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply under the one field manager, forcing, guarded by metadata.resourceVersion if there is one.

        With metadata.uid too it never creates. Raises NotFound when the kind or namespace is gone, Conflict, ApiError.
        """
        resource, metadata = await self._locate(manifest)
        return await self._server.request(
            "apply",
            resource.kind,
            "PATCH",
            resource.path(metadata.get("namespace"), metadata["name"]),
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            body=manifest,
            content_type=APPLY_PATCH,
        )

    async def create(self, manifest: Manifest) -> Manifest:
        """Create. Raises Conflict when it exists, NotFound when the kind or namespace is missing, ApiError."""
        resource, metadata = await self._locate(manifest)
        path = resource.path(metadata.get("namespace"))
        return await self._server.request("create", resource.kind, "POST", path, query=_MANAGED, body=manifest)

    async def replace(self, manifest: Manifest) -> Manifest:
        """Replace guarded by metadata.resourceVersion. Raises Conflict, NotFound, ApiError."""
        return await self._put("replace", manifest, None)

    async def replace_status(self, manifest: Manifest) -> Manifest:
        """Write .status guarded by metadata.resourceVersion. Raises Conflict, NotFound, ApiError."""
        return await self._put("replace_status", manifest, "status")

    async def _put(self, verb: str, manifest: Manifest, subresource: str | None) -> Manifest:
        resource, metadata = await self._locate(manifest)
        if not metadata.get("resourceVersion"):
            raise ValueError(f"{resource.kind} {metadata['name']}: a write without a resourceVersion is not guarded")
        path = resource.path(metadata.get("namespace"), metadata["name"], subresource)
        return await self._server.request(verb, resource.kind, "PUT", path, query=_MANAGED, body=manifest)

    async def merge_patch(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        name: str,
        patch: Manifest,
        manager: str = FIELD_MANAGER,
    ) -> Manifest:
        """Merge a patch in (RFC 7386). Raises NotFound, Conflict, ApiError."""
        resource = await self._discovery.resource(api_version, kind)
        return await self._server.request(
            "patch",
            kind,
            "PATCH",
            resource.path(namespace, name),
            query={"fieldManager": manager},
            body=patch,
            content_type=MERGE_PATCH,
        )

    async def json_patch(
        self, api_version: str, kind: str, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]
    ) -> Manifest:
        """Change an object by a JSON patch that begins with a `test` of metadata.resourceVersion. Raises Conflict, NotFound, ApiError."""
        tested = operations[0]
        if (tested["op"], tested["path"]) != ("test", "/metadata/resourceVersion"):
            raise ValueError(f"{kind} {name}: a patch that does not begin with a test of its version is not guarded")
        resource = await self._discovery.resource(api_version, kind)
        path = resource.path(namespace, name)
        try:
            return await self._server.request(
                "patch", kind, "PATCH", path, query=_MANAGED, body=list(operations), content_type=JSON_PATCH
            )
        except ApiError as error:
            if error.status != 422:
                raise
            # A 422 also comes from validation; only a look tells a failed `test` from a refusal.
            found = await self._metadata(resource, {"namespace": namespace, "name": name})
            if found.get("resourceVersion") != tested["value"]:
                raise Conflict(f"{kind} {name} changed") from error
            raise

    async def remove_annotation(self, manifest: Manifest, key: str) -> None:
        """Remove an annotation while the object is as the manifest shows; if the annotation is gone or changed, that is fine.

        Raises Conflict when anything else changed, ApiError.
        """
        seen = (manifest["metadata"].get("annotations") or {}).get(key)
        if seen is None:
            return
        resource, metadata = await self._locate(manifest)
        pointer = "/metadata/annotations/" + key.replace("~", "~0").replace("/", "~1")
        path = resource.path(metadata.get("namespace"), metadata["name"])
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {"op": "test", "path": pointer, "value": seen},
            {"op": "remove", "path": pointer},
        ]
        try:
            await self._server.request(
                "patch", resource.kind, "PATCH", path, query=_MANAGED, body=operations, content_type=JSON_PATCH
            )
        except NotFound:
            return
        except ApiError as error:
            if error.status != 422:
                raise
            # A 422 also comes from validation; only a look tells a failed `test` from a refusal.
            found = await self._metadata(resource, metadata)
            if found.get("uid") != metadata["uid"] or (found.get("annotations") or {}).get(key) != seen:
                return
            if found["resourceVersion"] != metadata["resourceVersion"]:
                raise Conflict(f"{resource.kind} {metadata['name']} changed") from error
            raise

    async def _metadata(self, resource: Resource, metadata: Mapping[str, Any]) -> Mapping[str, Any]:
        """The metadata of an object as it is now; empty when it is gone."""
        try:
            path = resource.path(metadata.get("namespace"), metadata["name"])
            found: Mapping[str, Any] = (await self._server.request("get", resource.kind, "GET", path))["metadata"]
        except NotFound:
            return {}
        return found

    async def delete(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        name: str,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete (background propagation), only that uid when given; a missing object or kind is fine.

        With a resource_version only the object in that version. Raises Conflict when it is in another, ApiError.
        """
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        guards = {"uid": uid, "resourceVersion": resource_version}
        if preconditions := {key: value for key, value in guards.items() if value is not None}:
            options["preconditions"] = preconditions
        try:
            resource = await self._discovery.resource(api_version, kind)
            await self._server.request("delete", kind, "DELETE", resource.path(namespace, name), body=options)
        except NotFound:
            return
        except Conflict as error:
            if resource_version is not None:
                raise
            # 409 on the precondition: the object with that uid is gone, and its namesake is none of our business.
            if uid is None:
                raise ApiError(409, str(error)) from error

    async def _locate(self, manifest: Manifest) -> tuple[Resource, Mapping[str, Any]]:
        resource = await self._discovery.resource(manifest["apiVersion"], manifest["kind"])
        return resource, manifest["metadata"]


_MANAGED: Final = {"fieldManager": FIELD_MANAGER}


def _selectors(labels: Mapping[str, str] | None, fields: Mapping[str, str] | None) -> dict[str, str]:
    query: dict[str, str] = {}
    if labels:
        query["labelSelector"] = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    if fields:
        query["fieldSelector"] = ",".join(f"{key}={value}" for key, value in sorted(fields.items()))
    return query
