"""What Steersman writes back to the registry, and what of it is written."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import ConfigDict, Field, model_validator

from steersman.api.meta import GROUP, ApiModel, Timestamp

TAG_PREFIX: Final = f"{GROUP}/"
"""What the keys of all our tags begin with."""

_NOTHING = "writeBack needs tags, promotedAlias or both"
_RESERVED = "MLflow reserves the aliases latest and v1, v2, ..."


class WriteBack(ApiModel):
    """What is written to the registry when a rollout ends. The registry's credentials must allow it."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "has(self.promotedAlias) || (has(self.tags) && self.tags)", "message": _NOTHING},
                {
                    "rule": "!has(self.promotedAlias) || !self.promotedAlias.matches('^([lL][aA][tT][eE][sS][tT]|[vV][0-9]+)$')",
                    "message": _RESERVED,
                },
            ]
        }
    )

    tags: bool = False
    """Tag the version with what came of it: `steersman.dev/<namespace>/<name>/outcome`, `reason`, `evidence` and `at`."""
    promoted_alias: Annotated[str | None, Field(pattern=r"^[-_A-Za-z0-9]+$", max_length=255)] = None
    """Move this alias to the version that is stable. Never one that a ModelDeployment follows: it would follow itself."""

    @model_validator(mode="after")
    def _something(self) -> WriteBack:
        alias = self.promoted_alias
        if not self.tags and alias is None:
            raise ValueError(_NOTHING)
        if alias is not None and (alias.lower() == "latest" or (alias[0] in "vV" and alias[1:].isdigit())):
            raise ValueError(_RESERVED)
        return self


class WrittenOutcome(ApiModel):
    """What a version's tags say."""

    version: str
    outcome: str
    """Promoted, Aborted, Refused, Superseded, Cancelled, or Regressed: it was promoted, and got worse then."""
    at: Timestamp
    """When that rollout ended."""


class WriteBackStatus(ApiModel):
    """What of it is written; everything else is tried until it is."""

    registry: str = ""
    """Base URL of the registry."""
    model: str = ""
    """Name of the registered model."""
    revisions: list[str] = []
    """Those in the history that run this model."""
    tags: list[WrittenOutcome] = []
    """Of their versions."""
    alias: str = ""
    """The alias that was moved last."""
    alias_version: str = ""
    """The version that it was moved to."""
    pending: int = 0
    """Writes that are not done."""
    message: str = ""
    """Why the latest attempt failed; empty when it did not."""
