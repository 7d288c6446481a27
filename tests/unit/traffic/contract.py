"""What a provider brings to the contract suite, and the providers that do.

Each module in providers/ has a list CONTRACTS. golden/<contract>-<case>.yaml is written by
`pytest tests/unit/traffic --write-golden`.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steersman.adapters.traffic import provider_for
from steersman.adapters.traffic.base import lacking
from steersman.core.snapshot import Children, Manifest
from steersman.core.traffic import TrafficIntent, TrafficProvider
from unit.traffic.cases import CASES, Case

WORDS = "the upstream is not to my liking"
"""What a refusing controller says."""
GENERATION = 7


def silent(manifest: Manifest) -> Manifest:
    """The object as its controller leaves it when it has nothing to say."""
    return manifest


@dataclass(frozen=True)
class Contract:
    """A provider with some settings, and what is known of the controller that serves it."""

    name: str
    """First part of the golden files' names."""
    traffic: dict[str, Any]
    """spec.traffic."""
    weights: Callable[[Sequence[Manifest]], Mapping[str, int]] | None
    """None: the objects carry no weights. Percent for each revision that the rendered objects name, read independently of the provider's code."""
    forced: Callable[[Sequence[Manifest], Mapping[str, str]], str | None] | None = None
    """The revision that a request with these headers (names in lower case) goes to whatever the weights, by the rules of the
    proxy; None: by weights. Required of a provider with header or cookie routes."""
    accept: Callable[[Manifest], Manifest] = silent
    """The object with the status that its controller writes when it is in force."""
    refuse: Callable[[Manifest], Manifest] | None = None
    """The object with the status that its controller writes when it refuses, saying WORDS; None: it has no way to say so."""
    names_idle: bool = True
    """Whether revisions at weight 0 are named, so that the proxy knows them before they get a request."""

    beside: Sequence[Manifest] = ()
    """Objects of the ModelDeployment that the provider also looks at."""
    unable: frozenset[str] = frozenset()
    """Cases that it cannot express, although it has the features that they need."""
    choosy: bool = False
    """Whether it may refuse values of headers and regular expressions; what it does not refuse it must carry as it is."""
    cookie: Callable[[str], str] = "steersman-candidate={}".format
    """The cookie (as sent by a client) that the answers of a candidate set in the case `affinity`."""

    @property
    def answers(self) -> bool:
        """Whether a controller confirms what is in force."""
        return self.accept is not silent

    @property
    def provider_name(self) -> str:
        """The provider's field in spec.traffic."""
        return next(iter(self.traffic))

    @property
    def provider(self) -> TrafficProvider:
        return provider_for(self.intent(CASES["first"]).traffic)

    def intent(self, case: Case) -> TrafficIntent:
        return case.intent(self.traffic)

    def can(self, case: Case) -> bool:
        """Whether the provider has every feature that the case needs, and can express it."""
        return not lacking(self.intent(case)) and case not in [CASES[name] for name in self.unable]

    def declines(self, case: Case) -> bool:
        """Whether a choosy provider says that it cannot express this, and renders nothing of it."""
        intent = self.intent(case)
        rendered = self.provider.render(intent)
        state = self.provider.read(intent, in_force(self, rendered))
        assert not state.rejected or (self.choosy and "does not support" in state.message)
        return state.rejected


def as_stored(manifests: Iterable[Manifest]) -> list[Manifest]:
    """Manifests as the API server keeps them."""
    stored = copy.deepcopy(list(manifests))
    for manifest in stored:
        manifest["metadata"] |= {"namespace": "risk", "generation": GENERATION, "resourceVersion": "41"}
    return stored


def in_force(contract: Contract, manifests: Iterable[Manifest]) -> Children:
    """The objects as they are when their controllers have accepted them."""
    return Children([*map(contract.accept, as_stored(manifests)), *contract.beside])


def unanswered(contract: Contract, manifests: Iterable[Manifest]) -> Children:
    """The objects as they are before their controllers have seen them."""
    return Children([*as_stored(manifests), *contract.beside])


def known() -> list[Contract]:
    """Every provider's contracts."""
    folder = Path(__file__).parent / "providers"
    modules = [importlib.import_module(f"unit.traffic.providers.{path.stem}") for path in sorted(folder.glob("*.py"))]
    return [contract for module in modules for contract in module.CONTRACTS]
