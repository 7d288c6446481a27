"""A model on a PersistentVolumeClaim: mounted, read-only, where the fetch looks for it."""

from __future__ import annotations

from typing import Any

VOLUME = "model-claim"
ROOT = "/pvc"
"""Claims are mounted below it by their names (steersman_server.stores.pvc)."""


def with_claim(pod: dict[str, Any], uri: str) -> dict[str, Any]:
    """The pod spec with the claim that a `pvc://` URI names in each of its containers; any other URI changes nothing.

    A container that has something mounted there already is left as it is.
    """
    scheme, _, rest = uri.partition("://")
    if scheme != "pvc":
        return pod
    claim = rest.partition("/")[0]
    mount = {"name": VOLUME, "mountPath": f"{ROOT}/{claim}", "readOnly": True}
    volume = {"name": VOLUME, "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
    others = [each for each in pod.get("volumes") or [] if each.get("name") != VOLUME]
    mounted: dict[str, Any] = {
        field: [_mounted(container, mount) for container in pod[field]]
        for field in ("initContainers", "containers")
        if field in pod
    }
    return {**pod, **mounted, "volumes": [*others, volume]}


def _mounted(container: dict[str, Any], mount: dict[str, Any]) -> dict[str, Any]:
    present = container.get("volumeMounts") or []
    if any(each.get("mountPath") == mount["mountPath"] for each in present):
        return container
    return {**container, "volumeMounts": [*present, mount]}
