"""In-cluster credentials and credential plugins."""

from __future__ import annotations

import datetime
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from kubernetes.aio.config import incluster_config

from steersman.adapters.kube import login
from steersman.ports import ApiError

CA = "-----BEGIN CERTIFICATE-----\n"


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pod's service account directory."""
    (tmp_path / "token").write_text("first")
    (tmp_path / "ca.crt").write_text(CA)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(login, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    return tmp_path


async def test_a_rotated_token_is_read_again(pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert login.in_pod()
    configuration = login.in_cluster_configuration()
    assert configuration.host == "https://[fd00::1]:443"
    assert configuration.ssl_ca_cert == str(pod / "ca.crt")
    assert (await configuration.auth_settings())["BearerToken"]["value"] == "bearer first"
    (pod / "token").write_text("second")

    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return datetime.datetime.now(tz) + datetime.timedelta(seconds=61)

    clock = SimpleNamespace(datetime=Later, timedelta=datetime.timedelta)
    monkeypatch.setattr(incluster_config, "datetime", clock)
    assert (await configuration.auth_settings())["BearerToken"]["value"] == "bearer second"


@pytest.mark.parametrize("missing", ["token", "ca.crt"])
def test_a_pod_without_its_files_says_so(pod: Path, missing: str) -> None:
    (pod / missing).unlink()
    with pytest.raises(ApiError, match="no in-cluster credentials"):
        login.in_cluster_configuration()


def test_outside_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert not login.in_pod()


async def test_a_credential_plugin_is_asked_again_when_its_token_expires(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter, plugin = tmp_path / "count", tmp_path / "plugin"
    expired = '"2020-01-01T00:00:00Z"'
    plugin.write_text(
        f"#!/bin/sh\necho x >> {counter}\nN=$(wc -l < {counter})\n"
        'echo "{\\"apiVersion\\":\\"client.authentication.k8s.io/v1\\",\\"kind\\":\\"ExecCredential\\",'
        f'\\"status\\":{{\\"token\\":\\"token-$N\\",\\"expirationTimestamp\\":{expired.replace(chr(34), chr(92) + chr(34))}}}}}"\n'
    )
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [
            {
                "name": "u",
                "user": {"exec": {"command": str(plugin), "apiVersion": "client.authentication.k8s.io/v1"}},
            }
        ],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", os.fspath(tmp_path / "config"))
    configuration, _ = await login.kubeconfig()
    assert (await configuration.auth_settings())["BearerToken"]["value"] == "Bearer token-2"
    assert (await configuration.auth_settings())["BearerToken"]["value"] == "Bearer token-3"
