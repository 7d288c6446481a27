from __future__ import annotations

import json
import logging

import pytest

from steersman.shell.config import ConfigError, from_environment
from steersman.shell.logs import JsonFormatter


def test_defaults_watch_the_whole_cluster() -> None:
    config = from_environment({})
    assert config.cluster_wide and config.workers == 16 and config.prometheus_url is None


def test_every_variable_is_read() -> None:
    config = from_environment(
        {
            "STEERSMAN_NAMESPACES": "a, b,",
            "STEERSMAN_DEFAULT_REGISTRY_URL": "http://mlflow:5000/",
            "STEERSMAN_PROMETHEUS_URL": "https://prometheus",
            "STEERSMAN_PROMETHEUS_CREDENTIALS": "/etc/prometheus",
            "STEERSMAN_PROMETHEUS_HEADERS": "X-Scope-OrgID=a=b, THANOS-TENANT=c,",
            "STEERSMAN_LOG_FORMAT": "text",
            "STEERSMAN_LOG_LEVEL": "debug",
            "STEERSMAN_METRICS_PORT": "1234",
            "STEERSMAN_WEBHOOK_PORT": "9443",
            "STEERSMAN_WEBHOOK_SECRET_FILE": "/etc/webhook",
            "STEERSMAN_WEBHOOK_PEERS": "a.b:1, c:2,",
            "STEERSMAN_CLUSTER_NAME": "eu-1",
            "STEERSMAN_MAX_ROLLOUTS": "20",
            "STEERSMAN_MAX_ROLLOUTS_PER_NAMESPACE": "2",
        }
    )
    assert config.namespaces == ("a", "b") and not config.cluster_wide
    assert config.default_registry_url == "http://mlflow:5000"
    assert config.prometheus_credentials == "/etc/prometheus"
    assert config.prometheus_headers == (("X-Scope-OrgID", "a=b"), ("THANOS-TENANT", "c"))
    assert (config.webhook_port, config.webhook_secret_file) == (9443, "/etc/webhook")
    assert (config.webhook_peers, config.cluster_name) == (("a.b:1", "c:2"), "eu-1")
    assert (config.max_rollouts, config.max_rollouts_per_namespace) == (20, 2)
    assert (config.log_format, config.log_level, config.metrics_port) == ("text", "DEBUG", 1234)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STEERSMAN_WORKERS", "0"),
        ("STEERSMAN_PROMETHEUS_HEADERS", "X-Scope-OrgID"),
        ("STEERSMAN_WORKERS", "many"),
        ("STEERSMAN_METRICS_PORT", "70000"),
        ("STEERSMAN_MAX_ROLLOUTS", "-1"),
        ("STEERSMAN_LOG_FORMAT", "xml"),
        ("STEERSMAN_LOG_LEVEL", "LOUD"),
        ("STEERSMAN_PROMETHEUS_URL", "prometheus:9090"),
        ("STEERSMAN_WEBHOOK_PORT", "https"),
        ("STEERSMAN_WEBHOOK_PEERS", "replicas"),
        ("STEERSMAN_WEBHOOK_PEERS", "http://replicas:1"),
        ("STEERSMAN_CLUSTER_NAME", "EU/1"),
        ("STEERSMAN_NOTIFICATIONS", "[{}]"),
        ("STEERSMAN_NOTIFICATIONS_DIRECTORY", None),
        ("STEERSMAN_NOTIFICATION_SCHEMAS", "slack,syslog"),
    ],
)
def test_wrong_values_name_their_variable(name: str, value: str | None) -> None:
    target = {"STEERSMAN_NOTIFICATIONS": '[{"name": "a", "key": "b"}]'}
    with pytest.raises(ConfigError, match=name):
        from_environment({name: value} if value is not None else target)


def test_log_lines_are_json_with_what_was_given_beside_the_message() -> None:
    record = logging.makeLogRecord({"msg": "hello %s", "args": ("you",), "levelname": "INFO", "namespace": "risk"})
    entry = json.loads(JsonFormatter().format(record))
    assert entry["message"] == "hello you" and entry["namespace"] == "risk" and entry["level"] == "info"
