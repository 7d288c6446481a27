"""Argo CD's way with Lua, on a real Lua 5.1: https://github.com/argoproj/argo-cd/blob/v3.6.1/util/lua/lua.go

It opens the base, package and table libraries and a part of os; a custom script has no string, math, io, debug or
coroutine. Here os is missing too.
"""

from __future__ import annotations

from typing import Any

from lupa.lua51 import LuaRuntime

Manifest = dict[str, Any]

CLOSE = """
debug.setmetatable("", nil)
for _, name in ipairs({ "coroutine", "debug", "io", "math", "os", "python", "string" }) do
  _G[name] = nil
  package.loaded[name] = nil
end
"""
HEALTH_STATUSES = {"Unknown", "Progressing", "Suspended", "Healthy", "Degraded", "Missing"}


def run(script: str, manifest: Manifest) -> Any:
    """What a script returns for an object, as JSON would show it. Raises lupa.lua51.LuaError."""
    runtime = LuaRuntime(register_eval=False, register_builtins=False)  # type: ignore[call-arg]
    runtime.execute(CLOSE)
    runtime.globals().obj = _to_lua(runtime, manifest)
    return _to_json(runtime.execute(script))


def health(script: str, manifest: Manifest) -> tuple[str, str]:
    """(status, message) of a health check."""
    found = run(script, manifest)
    assert isinstance(found["status"], str) and isinstance(found["message"], str)
    assert found["status"] in HEALTH_STATUSES
    assert set(found) == {"status", "message"}
    return found["status"], found["message"]


def enabled(script: str, manifest: Manifest) -> set[str]:
    """Actions that discovery shows as possible."""
    return {name for name, action in run(script, manifest).items() if not action["disabled"]}


def patch_of(script: str, manifest: Manifest) -> Manifest:
    """The JSON merge patch that Argo CD sends for an action which returns the changed object."""
    return _merge_patch(manifest, _cleaned(run(script, manifest), manifest))


def _to_lua(runtime: Any, value: Any) -> Any:
    if isinstance(value, dict):
        table = runtime.table()
        for key, item in value.items():
            table[key] = _to_lua(runtime, item)
        return table
    if isinstance(value, list):
        return runtime.table(*(_to_lua(runtime, item) for item in value))
    return value


def _to_json(value: Any) -> Any:
    """As layeh.com/gopher-json encodes: an empty table is an empty array."""
    if not hasattr(value, "items"):
        return value
    entries = dict(value.items())
    if not entries:
        return []
    if all(isinstance(key, int) for key in entries):
        assert sorted(entries) == list(range(1, len(entries) + 1)), "Argo CD refuses sparse arrays"
        return [_to_json(entries[key]) for key in sorted(entries)]
    assert all(isinstance(key, str) for key in entries), "Argo CD refuses mixed keys"
    return {key: _to_json(item) for key, item in entries.items()}


def _cleaned(new: Any, old: Any) -> Any:
    """cleanReturnedObj: what was an empty object before is one again."""
    if new == [] and isinstance(old, dict):
        return old
    if isinstance(new, dict) and isinstance(old, dict):
        return {key: _cleaned(item, old[key]) if key in old else item for key, item in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        return [_cleaned(item, old[index]) if index < len(old) else item for index, item in enumerate(new)]
    return new


def _merge_patch(old: Manifest, new: Manifest) -> Manifest:
    patch: Manifest = {key: None for key in old if key not in new}
    for key, item in new.items():
        if isinstance(item, dict) and isinstance(old.get(key), dict):
            if inner := _merge_patch(old[key], item):
                patch[key] = inner
        elif key not in old or old[key] != item:
            patch[key] = item
    return patch
