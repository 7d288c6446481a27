"""The restricted Pod Security Standard: filled in where a pod template is silent, refused where it differs.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ALLOWED_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
        "image",
    }
)
ALLOWED_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
    }
)
SECCOMP_TYPES = frozenset({"RuntimeDefault", "Localhost"})


def secure(template: dict[str, Any]) -> dict[str, Any]:
    """The pod template with restricted defaults where it says nothing, and never a service-account token."""
    spec = dict(template.get("spec", {}))
    spec["automountServiceAccountToken"] = False
    pod_context = dict(spec.get("securityContext") or {})
    pod_context.setdefault("runAsNonRoot", True)
    pod_context.setdefault("seccompProfile", {"type": "RuntimeDefault"})
    spec["securityContext"] = pod_context
    for field in ("initContainers", "containers"):
        if field in spec:
            spec[field] = [_secure_container(container) for container in spec[field]]
    return {**template, "spec": spec}


def _secure_container(container: dict[str, Any]) -> dict[str, Any]:
    context = dict(container.get("securityContext") or {})
    context.setdefault("allowPrivilegeEscalation", False)
    capabilities = dict(context.get("capabilities") or {})
    capabilities.setdefault("drop", ["ALL"])
    context["capabilities"] = capabilities
    context.setdefault("readOnlyRootFilesystem", True)
    return {**container, "securityContext": context}


def violations(template: dict[str, Any]) -> list[str]:
    """What in a secured pod template the restricted standard forbids, one sentence each; empty when it conforms."""
    return list(_violations(template.get("spec", {}), template.get("metadata", {})))


def _violations(spec: dict[str, Any], metadata: dict[str, Any]) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} must not be true"
    context = spec.get("securityContext") or {}
    yield from _context_violations("the pod", context)
    for sysctl in context.get("sysctls") or []:
        if sysctl.get("name") not in ALLOWED_SYSCTLS:
            yield f"sysctl {sysctl.get('name')} is not allowed"
    for key in metadata.get("annotations") or {}:
        if str(key).startswith("container.apparmor.security.beta.kubernetes.io/"):
            yield "AppArmor must be set by securityContext, not by annotation"
    for volume in spec.get("volumes") or []:
        kinds = set(volume) - {"name"}
        if not kinds <= ALLOWED_VOLUMES:
            yield f"volume {volume.get('name')} has the forbidden type {', '.join(sorted(kinds - ALLOWED_VOLUMES))}"
        for source in (volume.get("projected") or {}).get("sources") or []:
            if "serviceAccountToken" in source:
                # Not part of the standard: a rule of ours.
                yield f"volume {volume.get('name')} must not hold a service-account token"
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        yield from _container_violations(container)


def _container_violations(container: dict[str, Any]) -> Iterator[str]:
    where = f"container {container.get('name')}"
    context = container.get("securityContext") or {}
    yield from _context_violations(where, context)
    if context.get("privileged"):
        yield f"{where} must not be privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"{where} must set allowPrivilegeEscalation to false"
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        yield f"{where} must drop ALL capabilities"
    if set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"{where} may add no capability but NET_BIND_SERVICE"
    if context.get("procMount", "Default") != "Default":
        yield f"{where} must use the default procMount"
    for port in container.get("ports") or []:
        if port.get("hostPort"):
            yield f"{where} must not use a hostPort"
    for hook in ("livenessProbe", "readinessProbe", "startupProbe"):
        if ((container.get(hook) or {}).get("httpGet") or {}).get("host"):
            yield f"{where} must not set a host in its {hook}"


def _context_violations(where: str, context: dict[str, Any]) -> Iterator[str]:
    if context.get("runAsNonRoot", True) is not True:
        yield f"{where} must not set runAsNonRoot to false"
    if context.get("runAsUser") == 0:
        yield f"{where} must not run as user 0"
    seccomp = (context.get("seccompProfile") or {}).get("type", "RuntimeDefault")
    if seccomp not in SECCOMP_TYPES:
        yield f"{where} must use the seccomp profile RuntimeDefault or Localhost"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{where} must not be a Windows HostProcess"
    selinux = context.get("seLinuxOptions") or {}
    if (
        selinux.get("user")
        or selinux.get("role")
        or selinux.get("type", "")
        not in {
            "",
            "container_t",
            "container_init_t",
            "container_kvm_t",
            "container_engine_t",
        }
    ):
        yield f"{where} must not set SELinux user, role or an unusual type"
    if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") == "Unconfined":
        yield f"{where} must not be unconfined by AppArmor"
