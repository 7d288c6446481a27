"""The operator's settings, from environment variables."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from steersman.adapters.notify.schemas import DEFAULT_SCHEMAS, NEVER
from steersman.shell.notification_targets import SharedTargets, parse_targets


class ConfigError(ValueError):
    """A setting cannot be used; the message names the variable."""


@dataclass(frozen=True)
class Config:
    """All settings of the operator process."""

    namespaces: tuple[str, ...] = ()
    """STEERSMAN_NAMESPACES, comma separated: the only namespaces that are watched; empty means the whole cluster."""
    default_registry_url: str | None = None
    """STEERSMAN_DEFAULT_REGISTRY_URL: MLflow server of ModelDeployments that name no ModelRegistry."""
    prometheus_url: str | None = None
    """STEERSMAN_PROMETHEUS_URL: where metric queries go that name no server."""
    prometheus_credentials: str | None = None
    """STEERSMAN_PROMETHEUS_CREDENTIALS: a directory for that server: `token`, or `username` and `password`; `ca.crt`; `tls.crt` and `tls.key`."""
    prometheus_headers: tuple[tuple[str, str], ...] = ()
    """STEERSMAN_PROMETHEUS_HEADERS: for that server, `name=value` pairs with commas between them, such as X-Scope-OrgID=team."""
    cloudwatch_own_identity: bool = False
    """STEERSMAN_CLOUDWATCH_OWN_IDENTITY, true or false: whether CloudWatch metrics without credentials are asked with the operator's own AWS
    identity, for everybody who may write a template."""
    argo_workflows: bool = False
    """STEERSMAN_ARGO_WORKFLOWS, true or false: whether retrainings may be Argo Workflows, which then are watched."""
    pod_name: str = "steersman"
    """STEERSMAN_POD_NAME: identity in the leader election; default: the host name."""
    pod_namespace: str = "default"
    """STEERSMAN_POD_NAMESPACE: where the Lease lives."""
    lease_name: str = "steersman"
    """STEERSMAN_LEASE_NAME."""
    log_format: Literal["json", "text"] = "json"
    """STEERSMAN_LOG_FORMAT."""
    log_level: str = "INFO"
    """STEERSMAN_LOG_LEVEL."""
    metrics_port: int = 9090
    """STEERSMAN_METRICS_PORT: /metrics and /readyz."""
    webhook_port: int = 0
    """STEERSMAN_WEBHOOK_PORT: where deliveries of MLflow's webhooks are taken; 0 takes none."""
    webhook_secret_file: str | None = None
    """STEERSMAN_WEBHOOK_SECRET_FILE: what deliveries of the default registry are signed with; none are taken without."""
    webhook_peers: tuple[str, ...] = ()
    """STEERSMAN_WEBHOOK_PEERS, comma separated host:port: where the other replicas take deliveries; a name stands for all its addresses."""
    cluster_name: str = ""
    """STEERSMAN_CLUSTER_NAME: what tells this cluster from others that write to the same registry, and what notifications call it."""
    health_port: int = 8080
    """STEERSMAN_HEALTH_PORT: /healthz."""
    workers: int = 16
    """STEERSMAN_WORKERS: ModelDeployments that are reconciled at the same time."""
    max_rollouts: int = 0
    """STEERSMAN_MAX_ROLLOUTS: rollouts that may be under way at the same time; 0 is no limit."""
    max_rollouts_per_namespace: int = 0
    """STEERSMAN_MAX_ROLLOUTS_PER_NAMESPACE: the same for each namespace."""
    notifications: SharedTargets = field(default_factory=SharedTargets)
    """STEERSMAN_NOTIFICATIONS: a JSON list of SharedNotification, who is told of every ModelDeployment;
    STEERSMAN_NOTIFICATIONS_DIRECTORY: a file with an apprise URL for each of their keys."""
    notification_schemas: tuple[str, ...] = DEFAULT_SCHEMAS
    """STEERSMAN_NOTIFICATION_SCHEMAS, comma separated: apprise's schemas that notifications may go to; `none` for none at all."""

    @property
    def cluster_wide(self) -> bool:
        """Whether cluster-scoped kinds are read."""
        return not self.namespaces


def from_environment(env: Mapping[str, str] = os.environ) -> Config:
    """Read the settings. Raises ConfigError naming the variable that is wrong."""

    def text(name: str, default: str = "") -> str:
        return env.get(f"STEERSMAN_{name}", "").strip() or default

    def url(name: str) -> str | None:
        value = text(name)
        if value and not value.startswith(("http://", "https://")):
            raise ConfigError(f"STEERSMAN_{name} must start with http:// or https://")
        return value.rstrip("/") or None

    def number(name: str, default: int, low: int, high: int) -> int:
        value = text(name, str(default))
        if not value.isdigit() or not low <= int(value) <= high:
            raise ConfigError(f"STEERSMAN_{name} must be a whole number from {low} to {high}, not {value!r}")
        return int(value)

    def flag(name: str) -> bool:
        value = text(name, "false").lower()
        if value not in ("true", "false"):
            raise ConfigError(f"STEERSMAN_{name} must be true or false, not {value!r}")
        return value == "true"

    def pairs(name: str) -> tuple[tuple[str, str], ...]:
        parts = [part.strip().partition("=") for part in text(name).split(",") if part.strip()]
        if not all(key.strip() and equals for key, equals, _ in parts):
            raise ConfigError(f"STEERSMAN_{name} must be name=value pairs with commas between them")
        return tuple((key.strip(), value.strip()) for key, _, value in parts)

    peers = tuple(part.strip() for part in text("WEBHOOK_PEERS").split(",") if part.strip())
    if not all(re.fullmatch(r"[^\s:/]+:[0-9]{1,5}", peer) for peer in peers):
        raise ConfigError("STEERSMAN_WEBHOOK_PEERS must be host:port with commas between them")
    cluster_name = text("CLUSTER_NAME")
    if not re.fullmatch(r"([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?", cluster_name):
        raise ConfigError("STEERSMAN_CLUSTER_NAME must be at most 63 lower-case letters, digits and dashes")

    def targets() -> SharedTargets:
        directory = text("NOTIFICATIONS_DIRECTORY")
        try:
            found = parse_targets(text("NOTIFICATIONS", "[]"))
        except ValueError as error:
            raise ConfigError(f"STEERSMAN_NOTIFICATIONS cannot be used: {error}") from None
        if found and not directory:
            raise ConfigError("STEERSMAN_NOTIFICATIONS needs STEERSMAN_NOTIFICATIONS_DIRECTORY")
        return SharedTargets(found, Path(directory) if directory else None, cluster_name)

    def schemas() -> tuple[str, ...]:
        value = text("NOTIFICATION_SCHEMAS")
        if value == "none":
            return ()
        found = tuple(part.strip() for part in value.split(",") if part.strip())
        if never := sorted(NEVER.intersection(found)):
            raise ConfigError(f"STEERSMAN_NOTIFICATION_SCHEMAS must not have {never[0]}: no setting allows it")
        return found or DEFAULT_SCHEMAS

    log_format = text("LOG_FORMAT", "json")
    if log_format not in ("json", "text"):
        raise ConfigError(f"STEERSMAN_LOG_FORMAT must be json or text, not {log_format!r}")
    level = text("LOG_LEVEL", "INFO").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ConfigError(f"STEERSMAN_LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR, not {level!r}")
    return Config(
        namespaces=tuple(part.strip() for part in text("NAMESPACES").split(",") if part.strip()),
        default_registry_url=url("DEFAULT_REGISTRY_URL"),
        prometheus_url=url("PROMETHEUS_URL"),
        prometheus_credentials=text("PROMETHEUS_CREDENTIALS") or None,
        prometheus_headers=pairs("PROMETHEUS_HEADERS"),
        cloudwatch_own_identity=flag("CLOUDWATCH_OWN_IDENTITY"),
        argo_workflows=flag("ARGO_WORKFLOWS"),
        pod_name=text("POD_NAME", socket.gethostname()),
        pod_namespace=text("POD_NAMESPACE", "default"),
        lease_name=text("LEASE_NAME", "steersman"),
        log_format="json" if log_format == "json" else "text",
        log_level=level,
        metrics_port=number("METRICS_PORT", 9090, 1, 65535),
        webhook_port=number("WEBHOOK_PORT", 0, 0, 65535),
        webhook_secret_file=text("WEBHOOK_SECRET_FILE") or None,
        webhook_peers=peers,
        cluster_name=cluster_name,
        health_port=number("HEALTH_PORT", 8080, 1, 65535),
        workers=number("WORKERS", 16, 1, 256),
        max_rollouts=number("MAX_ROLLOUTS", 0, 0, 100_000),
        max_rollouts_per_namespace=number("MAX_ROLLOUTS_PER_NAMESPACE", 0, 0, 100_000),
        notifications=targets(),
        notification_schemas=schemas(),
    )
