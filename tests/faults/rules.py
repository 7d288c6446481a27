"""Which requests a fault befalls."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from faults.kinds import WATCH_FAULTS, Fault
from faults.requestinfo import WRITES, RequestInfo


@dataclass
class Rule:
    """A fault for some of the requests that match; counts are the rule's own.

    Of the matching requests the first `skip` pass; then every `every`-th is picked and, when `probability` is below 1, only
    with that probability; at most `limit` in all.
    """

    fault: Fault
    verbs: frozenset[str] = frozenset()
    """As in the audit log (get, list, watch, create, update, patch, delete); none for all but watch."""
    resources: Sequence[str] = ("*",)
    """Patterns of resource or resource/subresource, such as `deployments` or `modeldeployments/*`; "" is no resource."""
    namespace: str = "*"
    name: str = "*"
    every: int = 1
    probability: float = 1.0
    limit: int | None = None
    skip: int = 0
    seed: int = 0
    matched: int = field(default=0, init=False)
    """Requests that matched."""
    injected: int = field(default=0, init=False)
    """Requests that got the fault."""

    def __post_init__(self) -> None:
        if not self.verbs:
            self.verbs = frozenset({"watch"}) if isinstance(self.fault, WATCH_FAULTS) else WRITES | {"get", "list"}
        self._random = random.Random(self.seed)

    def picks(self, request: RequestInfo) -> bool:
        """Whether this request gets the fault; each call counts."""
        if not self._matches(request):
            return False
        self.matched += 1
        if self.matched <= self.skip or (self.matched - self.skip) % self.every:
            return False
        # Drawn for each, so that the n-th request has the same fate in every run of one seed.
        drawn = self._random.random() < self.probability
        if not drawn or (self.limit is not None and self.injected >= self.limit):
            return False
        self.injected += 1
        return True

    def _matches(self, request: RequestInfo) -> bool:
        return (
            request.verb in self.verbs
            and any(fnmatchcase(request.kind, pattern) for pattern in self.resources)
            and fnmatchcase(request.namespace, self.namespace)
            and fnmatchcase(request.name, self.name)
        )
