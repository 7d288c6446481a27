"""How to reach and authenticate with the API server: from inside a pod, or from the user's kubeconfig."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config.kube_config import KubeConfigLoader, KubeConfigMerger

from steersman.ports import ApiError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def in_pod() -> bool:
    """Whether this process runs in a pod that has a service-account token."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and (SERVICE_ACCOUNT / "token").is_file()


def in_cluster_configuration() -> Configuration:
    """The pod's service account. The loader reads the token file again every minute, so that rotation works.

    Raises ApiError(0) outside a pod.
    """
    configuration = _blank_configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        raise ApiError(0, f"no in-cluster credentials: {error}") from error
    return configuration


async def kubeconfig(context: str | None = None) -> tuple[Configuration, str]:
    """The user's kubeconfig ($KUBECONFIG, else ~/.kube/config) and the context's default namespace.

    Raises ApiError(0) with a message for the user when there is no usable kubeconfig or context.
    """
    paths = _kubeconfig_paths()
    configuration = _blank_configuration()
    try:
        merged = KubeConfigMerger(paths)  # type: ignore[no-untyped-call]
        loader = KubeConfigLoader(merged.config, active_context=context, config_base_path=None)  # type: ignore[no-untyped-call]
        await loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
    except Exception as error:  # the loader lets TypeError, KeyError, YAML and OS errors of a malformed file through
        what = f"context {context!r}" if context else "the current context"
        raise ApiError(0, f"cannot use {what} of the kubeconfig {paths}: {_first_line(error)}") from error
    if loader._user is not None and "exec" in loader._user:
        configuration.refresh_api_key_hook = _exec_refresh(loader)  # type: ignore[assignment]
    selected = loader.current_context.get("context", {})
    return configuration, selected.get("namespace") or "default"


def _kubeconfig_paths() -> str:
    paths = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if not any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path):
        raise ApiError(0, f"no kubeconfig found at {paths}; set KUBECONFIG to the file that kubectl uses")
    return paths


def _blank_configuration() -> Configuration:
    """A configuration of its own; the library's default one is process-global."""
    configuration: Configuration = type.__call__(Configuration)
    # Python 3.13 turns VERIFY_X509_STRICT on, which refuses the CAs that kubeadm and others made for years.
    configuration.disable_strict_ssl_verification = True
    return configuration


def _exec_refresh(loader: Any) -> Callable[[Configuration], Any]:
    """Ask the credential plugin again when its token has expired (the loader looks at the expiry)."""

    async def refresh(configuration: Configuration) -> None:
        answer = loader.load_from_exec_plugin()
        if inspect.isawaitable(answer):
            await answer
        if token := getattr(loader, "token", None):
            configuration.api_key["BearerToken"] = token

    return refresh


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
