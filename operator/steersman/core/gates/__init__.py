"""Gates: judging a version before it gets any traffic, from facts that the registry gave."""

from steersman.core.gates.facts import Missing, ModelFile, Needs, RunFacts, Unknown, VersionFacts, needs_of
from steersman.core.gates.judge import judge

__all__ = ["Missing", "ModelFile", "Needs", "RunFacts", "Unknown", "VersionFacts", "judge", "needs_of"]
