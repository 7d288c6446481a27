"""Settings of the server, read from environment variables."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REVISION = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""The name of a revision, which is also its Service's."""


ERROR_BUCKETS = (*(float(f"{digit}e{power}") for power in range(-3, 6) for digit in (1, 2, 5)), 1e6)
"""Three for each power of ten, from a thousandth to a million."""


class SettingsError(Exception):
    """An environment variable has a value that the server cannot use; the message names it."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How to serve; each field is read from the environment variable of the same name in capitals."""

    model_dir: Path = Path("/model")
    """Where ``steersman_server.fetch`` put the model, or a directory that holds an MLmodel file itself."""
    model_name: str = ""
    """Name of the registered model, for the label of ``steersman_model_info``."""
    model_version: str = ""
    """Version of the registered model, for the label of ``steersman_model_info``."""
    steersman_revision: str = ""
    """This pod's revision: the header ``x-steersman-revision``, and whose predictions feedback is about when it does not say."""
    profile: bool = True
    """Count requests into the model's reference profile, when it has one."""
    feedback: bool = True
    """Answer /feedback."""
    feedback_error_buckets: tuple[float, ...] = ERROR_BUCKETS
    """Upper bounds of ``steersman_feedback_absolute_error``, ascending and separated by commas, in the unit of the prediction."""
    host: str = "0.0.0.0"  # noqa: S104 - a pod listens on its pod IP
    """Address to listen on."""
    port: int = 8080
    """TCP port to listen on."""
    threads: int = 4
    """Predictions computed at the same time; further requests wait. Default: two for each CPU, between 4 and 32."""
    max_body_bytes: int = 16 * 1024 * 1024
    """Largest request body; a larger one is answered 413."""
    warm_up_requests: int = 1
    """How often the model answers its own input example before the server is ready."""
    drain_seconds: float = 5.0
    """After SIGTERM: time to go on answering while ``/ready`` is 503, so that proxies stop sending here."""
    shutdown_seconds: int = 20
    """After draining: time for requests in flight to finish."""
    keep_alive_seconds: int = 3900
    """Idle time before the server closes a connection. Longer than Envoy's one hour for idle upstream connections:
    the proxy must be the one to close, or it sends a request into a connection that the server is closing."""
    access_log: bool = False
    """Log every request."""
    log_level: str = "INFO"
    """Level of the root logger."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "ServerSettings":
        """Read the settings; an empty variable counts as absent.

        Raises SettingsError: a value is not of its type or out of range.
        """
        env = os.environ if environment is None else environment
        default = cls()
        return cls(
            model_dir=Path(env.get("MODEL_DIR") or default.model_dir),
            model_name=env.get("MODEL_NAME", ""),
            model_version=env.get("MODEL_VERSION", ""),
            steersman_revision=_revision(env),
            profile=_boolean(env, "PROFILE", default.profile),
            feedback=_boolean(env, "FEEDBACK", default.feedback),
            feedback_error_buckets=_bounds(env, "FEEDBACK_ERROR_BUCKETS", default.feedback_error_buckets),
            host=env.get("HOST") or default.host,
            port=_integer(env, "PORT", default.port, 0, 65535),
            threads=_integer(env, "THREADS", min(32, max(4, 2 * available_cpus())), 1, 1024),
            max_body_bytes=_integer(env, "MAX_BODY_BYTES", default.max_body_bytes, 1, 2**40),
            warm_up_requests=_integer(env, "WARM_UP_REQUESTS", default.warm_up_requests, 1, 10_000),
            drain_seconds=_seconds(env, "DRAIN_SECONDS", default.drain_seconds),
            shutdown_seconds=_integer(env, "SHUTDOWN_SECONDS", default.shutdown_seconds, 0, 86400),
            keep_alive_seconds=_integer(env, "KEEP_ALIVE_SECONDS", default.keep_alive_seconds, 1, 86400),
            access_log=_boolean(env, "ACCESS_LOG", default.access_log),
            log_level=_level(env, default.log_level),
        )


def available_cpus(cpu_max: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Whole CPUs that this container may use: its affinity, or its cgroup v2 quota rounded up where that is less."""
    cpus = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text().split()
        return max(1, min(cpus, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or "max": no quota
        return cpus


def _integer(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name, "")
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        raise SettingsError(f"{name} must be a whole number, got {text!r}") from None
    if not low <= value <= high:
        raise SettingsError(f"{name} must be between {low} and {high}, got {value}")
    return value


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{name} must be a number of seconds, got {text!r}") from None
    if not 0 <= value <= 86400:  # also refuses NaN
        raise SettingsError(f"{name} must be between 0 and 86400 seconds, got {text}")
    return value


def _boolean(env: Mapping[str, str], name: str, default: bool) -> bool:
    text = env.get(name, "").lower()
    if not text:
        return default
    if text not in {"true", "false", "on", "off", "1", "0"}:
        raise SettingsError(f"{name} must be true or false, got {text!r}")
    return text in {"true", "on", "1"}


def _bounds(env: Mapping[str, str], name: str, default: tuple[float, ...]) -> tuple[float, ...]:
    text = env.get(name, "")
    if not text:
        return default
    try:
        bounds = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise SettingsError(f"{name} must be numbers separated by commas, got {text!r}") from None
    if len(bounds) > 50 or not all(0 < bound < math.inf for bound in bounds) or list(bounds) != sorted(set(bounds)):
        raise SettingsError(f"{name} must be at most 50 numbers above 0, ascending, got {text!r}")
    return bounds


def _revision(env: Mapping[str, str]) -> str:
    revision = env.get("STEERSMAN_REVISION", "")
    if revision and not REVISION.fullmatch(revision):
        raise SettingsError(f"STEERSMAN_REVISION must be the name of a revision, got {revision!r}")
    return revision


def _level(env: Mapping[str, str], default: str) -> str:
    level = (env.get("LOG_LEVEL") or default).upper()
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        raise SettingsError(f"LOG_LEVEL must be DEBUG, INFO, WARNING, ERROR or CRITICAL, got {level!r}")
    return level
