"""Settings of the fetch, read from environment variables."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath

from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.model import FETCHED
from steersman_server.stores.order import MAX_BYTES, MAX_FILES


class PicklePolicy(Enum):
    """What to do about a model that runs code of its own when it is loaded."""

    ALLOW = "allow"
    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """A cache that pods share; see `steersman_server.cache`."""

    directory: Path
    """MODEL_CACHE_DIR"""
    max_bytes: int = 0
    """MODEL_CACHE_MAX_BYTES: beyond it, what was not used for longest goes; 0 is no limit."""
    wait_seconds: int = 600
    """MODEL_CACHE_WAIT_SECONDS: how long to wait for another pod that fetches the same."""


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """What to make of a download. Each field but `cache` is read from the environment variable that it names."""

    target: str = FETCHED
    """MODEL_TARGET: path below MODEL_DIR that becomes the model. For servers that want names: ``$(MODEL_NAME)/1``."""
    subpath: str = ""
    """MODEL_SUBPATH: the folder of the download that is the model; empty: all of it."""
    sha256: str = ""
    """MODEL_SHA256: what the download has to have; empty: not checked."""
    mlflow: bool = True
    """MODEL_FORMAT, mlflow or any: whether the model must have an MLmodel file."""
    pickle: PicklePolicy = PicklePolicy.WARN
    """PICKLE: allow, warn or refuse."""
    max_bytes: int = MAX_BYTES
    """MODEL_MAX_BYTES: of all files, unpacked."""
    max_files: int = MAX_FILES
    """MODEL_MAX_FILES"""
    version: str = ""
    """MODEL_VERSION: in the cache, another version is another model."""
    cache: CacheSettings | None = field(default=None)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "FetchSettings":
        """Read the settings; an empty variable counts as absent. Raises FetchError: a value that cannot be used."""
        env = os.environ if environment is None else environment
        cache = None
        if directory := env.get("MODEL_CACHE_DIR", ""):
            cache = CacheSettings(
                Path(directory),
                _integer(env, "MODEL_CACHE_MAX_BYTES", 0),
                _integer(env, "MODEL_CACHE_WAIT_SECONDS", 600),
            )
        sha256 = env.get("MODEL_SHA256", "").lower().removeprefix("sha256:")
        if sha256 and not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise FetchError(Reason.CONFIGURATION, "MODEL_SHA256 must be 64 hexadecimal digits")
        return cls(
            target=_relative(env, "MODEL_TARGET", FETCHED),
            subpath=_relative(env, "MODEL_SUBPATH", ""),
            sha256=sha256,
            mlflow=_choice(env, "MODEL_FORMAT", ("mlflow", "any")) == "mlflow",
            pickle=PicklePolicy(_choice(env, "PICKLE", ("warn", "allow", "refuse"))),
            max_bytes=_integer(env, "MODEL_MAX_BYTES", MAX_BYTES),
            max_files=_integer(env, "MODEL_MAX_FILES", MAX_FILES),
            version=env.get("MODEL_VERSION", ""),
            cache=cache,
        )


def _integer(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "")
    if text and not re.fullmatch(r"[0-9]{1,18}", text):
        raise FetchError(Reason.CONFIGURATION, f"{name} must be a whole number, got {text!r}")
    return int(text) if text else default


def _choice(env: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = env.get(name, "").lower() or choices[0]
    if text not in choices:
        raise FetchError(Reason.CONFIGURATION, f"{name} must be one of {', '.join(choices)}, got {text!r}")
    return text


def _relative(env: Mapping[str, str], name: str, default: str) -> str:
    text = env.get(name, "") or default
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        raise FetchError(Reason.CONFIGURATION, f"{name} must be a path below the model's directory, got {text!r}")
    return str(path) if path.parts else default
