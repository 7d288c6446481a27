"""Strategic merge of pod templates, by the merge keys that Kubernetes documents for PodSpec.

https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
"""

from __future__ import annotations

from typing import Any

MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "protocol"),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
"""Lists whose items are merged by key; every other list is replaced."""

_DEFAULTS = {"protocol": "TCP"}


def strategic_merge(base: Any, overlay: Any, field: str = "") -> Any:
    """The overlay laid over the base: maps merge, keyed lists merge by key, null deletes, anything else replaces.

    `$patch: delete` on a keyed item removes it; `$patch: replace` on a map replaces it. Neither argument is changed.
    """
    if isinstance(base, dict) and isinstance(overlay, dict):
        return _merge_maps(base, overlay)
    if isinstance(base, list) and isinstance(overlay, list) and field in MERGE_KEYS:
        return _merge_lists(base, overlay, MERGE_KEYS[field])
    return overlay


def _merge_maps(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    directive = overlay.get("$patch")
    if directive == "replace":
        return {key: value for key, value in overlay.items() if key != "$patch"}
    merged = dict(base)
    for key, value in overlay.items():
        if key == "$patch":
            continue
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = strategic_merge(merged.get(key), value, key)
    return merged


def _merge_lists(base: list[Any], overlay: list[Any], keys: tuple[str, ...]) -> list[Any]:
    def identity(item: Any) -> tuple[Any, ...]:
        if not isinstance(item, dict):
            return ("", repr(item))
        return tuple(item.get(key, _DEFAULTS.get(key)) for key in keys)

    merged = {identity(item): item for item in base}
    for item in overlay:
        key = identity(item)
        if isinstance(item, dict) and item.get("$patch") == "delete":
            merged.pop(key, None)
        else:
            merged[key] = strategic_merge(merged.get(key), item)
    return list(merged.values())
