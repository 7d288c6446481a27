"""Why pods do not become available, in words that a person can act on, from what the cluster says of them.

What changes from look to look (names of pods, counts of restarts, times of back-off) is left out, so that the same trouble
gives the same words. Nothing secret is shown: see `core.capacity.redaction`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from steersman.api.conditions import Reason
from steersman.core.capacity.redaction import secrets_of, without_secrets
from steersman.core.snapshot import Manifest, Problem

MESSAGE_LENGTH = 400
"""Longest message, in characters."""

_STARTING = frozenset({"ContainerCreating", "PodInitializing"})
_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff"})
_QUOTA = re.compile(r"(exceeded|failed) quota: .*", re.DOTALL)
_REFUSED = re.compile(r'^pods? "[^"]*" is forbidden: ')
_PREEMPTION = re.compile(r"\.?\s*preemption: .*", re.DOTALL)
_PULL_DETAIL = re.compile(r"^.*?ErrImagePull: |^Back-off pulling image \"[^\"]*\"$", re.DOTALL)
_RPC = re.compile(r"rpc error: code = \w+ desc = ")
_SOURCE_PORT = re.compile(r":\d+->")
_FINDING = tuple[Reason, str]


def refusal(deployment: Manifest | None) -> Problem | None:
    """Why the API server refuses to create pods, by the Deployment's condition ReplicaFailure; None when it does not."""
    for condition in ((deployment or {}).get("status") or {}).get("conditions") or []:
        if condition.get("type") != "ReplicaFailure" or condition.get("status") != "True":
            continue
        message = str(condition.get("message", ""))
        quota = _QUOTA.search(message)
        if quota is not None:
            return Problem(Reason.QUOTA_EXCEEDED, _shorten(quota.group(0)))
        words = without_secrets(_REFUSED.sub("", message))
        return Problem(Reason.PODS_FAILING, _shorten(f"pods cannot be created: {words}"))
    return None


def diagnose(deployment: Manifest | None, pods: Sequence[Manifest]) -> Problem | None:
    """What keeps a revision's pods from becoming available, the most frequent first; None when they may just need time.

    The reason is that of the most frequent finding: QuotaExceeded, Unschedulable or PodsFailing.
    """
    refused = refusal(deployment)
    if refused is not None:
        return refused
    present = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    found = Counter(finding for pod in present if (finding := _finding(pod)) is not None)
    if not found:
        return None
    # Equal counts in the order of the words, so that the same trouble gives the same message.
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{count} of {len(present)} pods {words}" for (_, words), count in ranked]
    return Problem(ranked[0][0][0], _shorten("; ".join(parts)))


def _finding(pod: Manifest) -> _FINDING | None:
    status = pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            words = _PREEMPTION.sub("", str(condition.get("message") or condition.get("reason") or "")).rstrip(".")
            return Reason.UNSCHEDULABLE, f"cannot be scheduled: {words}"
    secrets = secrets_of(pod)
    for kind, container in _containers(status):
        trouble = _container_trouble(container)
        if trouble is not None:
            return Reason.PODS_FAILING, without_secrets(f"fail: {kind} {container.get('name')}: {trouble}", secrets)
    if status.get("phase") == "Failed" and status.get("reason"):
        return Reason.PODS_FAILING, without_secrets(f"fail: {status['reason']}: {status.get('message', '')}", secrets)
    return None


def _containers(status: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for container in status.get("initContainerStatuses") or []:
        yield "init container", container
    for container in status.get("containerStatuses") or []:
        yield "container", container


def _container_trouble(container: Mapping[str, Any]) -> str | None:
    state = container.get("state") or {}
    waiting: Mapping[str, Any] = state.get("waiting") or {}
    reason = waiting.get("reason")
    if reason in _IMAGE:
        return _image_trouble(str(container.get("image", "")), str(waiting.get("message", "")))
    # An init container that is done is ready; one that runs is not, and has failed only if it did so before.
    ended = state.get("terminated") or ((container.get("lastState") or {}).get("terminated"))
    if ended is not None and ended.get("exitCode", 0) != 0 and not container.get("ready"):
        return _ending(ended)
    if ended is not None and reason == "CrashLoopBackOff":
        return _ending(ended)
    if reason is None or reason in _STARTING:
        return None
    return _sentence(str(reason), waiting.get("message"))


def _image_trouble(image: str, message: str) -> str:
    detail = _SOURCE_PORT.sub("->", _RPC.sub("", _PULL_DETAIL.sub("", message)))
    return _sentence(f"image {image} cannot be pulled", detail)


def _ending(ended: Mapping[str, Any]) -> str:
    code = ended.get("signal") or ended.get("exitCode")
    how = f"{'signal' if ended.get('signal') else 'exit code'} {code}"
    reason = ended.get("reason")
    return _sentence(
        f"ended with {how}" + (f" ({reason})" if reason not in (None, "Error") else ""), ended.get("message")
    )


def _sentence(what: str, detail: object) -> str:
    text = " ".join(str(detail or "").split())
    return f"{what}: {text}" if text else what


def _shorten(message: str) -> str:
    text = " ".join(message.split())
    return text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 4] + " ..."
