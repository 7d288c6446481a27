"""Traefik's TraefikService and IngressRoute, with an evaluator of its rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from steersman.core.snapshot import Manifest
from unit.traffic.contract import Contract

HOST, PATH = "fraud.example.com", "/invocations"
TOKEN = re.compile(r'\s*(?:(?P<word>[A-Za-z]+)|(?P<raw>`[^`]*`)|(?P<quoted>"(?:\\.|[^"\\])*")|(?P<sign>&&|\|\||[(),]))')


class Rule:
    """A rule in the syntax of Traefik 3: Go's expressions of calls, && before ||."""

    def __init__(self, text: str, headers: Mapping[str, str]) -> None:
        self._tokens = list(_tokens(text))
        self._headers = headers

    def holds(self) -> bool:
        found = self._any()
        assert not self._tokens
        return found

    def _any(self) -> bool:
        found = self._all()
        while self._next("||"):
            found = self._all() or found
        return found

    def _all(self) -> bool:
        found = self._one()
        while self._next("&&"):
            found = self._one() and found
        return found

    def _one(self) -> bool:
        if self._next("("):
            found = self._any()
            assert self._next(")")
            return found
        function, _ = self._tokens.pop(0), self._tokens.pop(0)
        values = [self._tokens.pop(0)]
        while self._next(","):
            values.append(self._tokens.pop(0))
        assert self._next(")")
        return self._call(function[1], *(value for _, value in values))

    def _next(self, sign: str) -> bool:
        if self._tokens and self._tokens[0] == ("sign", sign):
            self._tokens.pop(0)
            return True
        return False

    def _call(self, function: str, *values: str) -> bool:
        functions = {
            "Host": lambda host: host == HOST,
            "HostRegexp": lambda pattern: re.search(pattern, HOST) is not None,
            "Path": lambda path: path == PATH,
            "PathPrefix": lambda prefix: PATH.startswith(prefix),
            "Header": lambda name, value: self._headers.get(name.lower()) == value,
            "HeaderRegexp": lambda name, pattern: re.search(pattern, self._headers.get(name.lower(), "\0")) is not None,
        }
        return functions[function](*values)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(text):
        found = TOKEN.match(text, place)
        assert found and found.lastgroup, text[place:]
        kind, value = found.lastgroup, found[found.lastgroup]
        place = found.end()
        if kind == "raw":
            value = value[1:-1]
        elif kind == "quoted":
            # The escapes that are written are those that JSON and Go have in common.
            value = json.loads(value)
        yield kind, value


def _services(manifests: Sequence[Manifest]) -> dict[str, dict[str, Any]]:
    return {m["metadata"]["name"]: m["spec"] for m in manifests if m["kind"] == "TraefikService"}


def _routes(manifests: Sequence[Manifest]) -> list[dict[str, Any]]:
    """By priority, by default the length of the rule; equal ones are in no order."""
    assert manifests[-1]["kind"] == "IngressRoute"
    routes = manifests[-1]["spec"]["routes"]
    priorities = [route.get("priority", len(route["match"])) for route in routes]
    assert len(set(priorities)) == len(priorities)
    return [route for _, route in sorted(zip(priorities, routes, strict=True), key=lambda pair: -pair[0])]


def weights(manifests: Sequence[Manifest]) -> dict[str, int]:
    services = _services(manifests)
    split = services["fraud"]
    if "mirroring" in split:
        assert split["mirroring"]["kind"] == "TraefikService"
        split = services[split["mirroring"]["name"]]
    return {_leaf(services, item): item["weight"] for item in split["weighted"]["services"]}


def _leaf(services: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    if item["kind"] == "Service":
        return str(item["name"])
    (only,) = services[item["name"]]["weighted"]["services"]
    return str(only["name"])


def forced(manifests: Sequence[Manifest], headers: Mapping[str, str]) -> str | None:
    route = next(route for route in _routes(manifests) if Rule(route["match"], headers).holds())
    (service,) = route["services"]
    return None if service["kind"] == "TraefikService" else service["name"]


FULL = {
    "hosts": [HOST, "*.fraud.example.com"],
    "path": PATH,
    "entryPoints": ["web", "websecure"],
    "tlsSecretName": "fraud-tls",
}
CONTRACTS = [
    Contract(
        name,
        {"traefik": settings},
        weights,
        forced,
        names_idle=False,
        cookie=lambda revision: f"steersman-candidate-{revision}=5f3c",
    )
    for name, settings in {"traefik": {"hosts": [HOST]}, "traefik-full": FULL}.items()
]
