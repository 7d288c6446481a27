"""What is said of pods that do not become available, from statuses as a cluster writes them."""

from __future__ import annotations

from typing import Any

import pytest

from steersman.api.conditions import Reason
from steersman.core.capacity.diagnosis import MESSAGE_LENGTH, diagnose, refusal
from steersman.core.capacity.redaction import without_secrets

QUOTA = (
    'pods "fraud-v2-1a2b3c4d-6f7c9d8b5-x7k2p" is forbidden: exceeded quota: compute, requested: requests.cpu=2, '
    "used: requests.cpu=3, limited: requests.cpu=4"
)
SCHEDULER = (
    "0/3 nodes are available: 1 node(s) had untolerated taint {dedicated: batch}, 2 Insufficient nvidia.com/gpu. "
    "preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found "
    "for incoming pod."
)
NOT_FOUND = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "registry.example/serve:9": failed to resolve '
    'reference "registry.example/serve:9": registry.example/serve:9: not found'
)


def refused(message: str, status: str = "True") -> dict[str, Any]:
    condition = {"type": "ReplicaFailure", "status": status, "reason": "FailedCreate", "message": message}
    return {"kind": "Deployment", "metadata": {"name": "r"}, "status": {"conditions": [condition]}}


def pod(env: list[dict[str, Any]] | None = None, deleting: bool = False, **status: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "r-x7k2p"} | ({"deletionTimestamp": "now"} if deleting else {})
    return {"metadata": metadata, "spec": {"containers": [{"name": "model", "env": env or []}]}, "status": status}


def unschedulable(message: str = SCHEDULER) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return pod(phase="Pending", conditions=[condition])


def waiting(reason: str, message: str = "", field: str = "containerStatuses", **container: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    status = {"name": "model", "image": "registry.example/serve:9", "ready": False, "state": state, **container}
    return pod(phase="Pending", **{field: [status]})


def crashed(
    code: int = 1, message: str = "", reason: str = "Error", state: dict[str, Any] | None = None
) -> dict[str, Any]:
    back_off = "back-off 40s restarting failed container=model pod=r-x7k2p_risk(1f)"
    ended = {"terminated": {"exitCode": code, "reason": reason, "message": message}}
    state = state or {"waiting": {"reason": "CrashLoopBackOff", "message": back_off}}
    container = {"name": "model", "ready": False, "restartCount": 4, "state": state, "lastState": ended}
    return pod(phase="Running", containerStatuses=[container])


def words(*pods: dict[str, Any]) -> tuple[Reason, str]:
    problem = diagnose(None, pods)
    assert problem is not None
    return problem.reason, problem.message


def test_a_quota_is_told_without_looking_at_pods() -> None:
    problem = refusal(refused(QUOTA))
    assert problem is not None and problem.reason == Reason.QUOTA_EXCEEDED
    assert problem.message == QUOTA.partition("is forbidden: ")[2]
    assert diagnose(refused(QUOTA), [unschedulable()]) == problem
    assert refusal(refused(QUOTA, "False")) is None and refusal(None) is None


def test_other_refusals_are_told_in_the_api_servers_words() -> None:
    message = 'pods "r-6f7c9d8b5-" is forbidden: error looking up service account risk/puller: serviceaccount "puller" not found'
    problem = refusal(refused(message))
    assert problem is not None and problem.reason == Reason.PODS_FAILING
    assert problem.message == (
        'pods cannot be created: error looking up service account risk/puller: serviceaccount "puller" not found'
    )


def test_a_quota_that_wants_limits_is_a_matter_of_quota() -> None:
    problem = refusal(refused('pods "r-x" is forbidden: failed quota: compute: must specify limits.memory for: model'))
    assert problem is not None and problem.reason == Reason.QUOTA_EXCEEDED
    assert problem.message == "failed quota: compute: must specify limits.memory for: model"


def test_the_scheduler_is_quoted_without_preemption() -> None:
    assert words(unschedulable(), unschedulable()) == (
        Reason.UNSCHEDULABLE,
        "2 of 2 pods cannot be scheduled: 0/3 nodes are available: 1 node(s) had untolerated taint {dedicated: batch}, "
        "2 Insufficient nvidia.com/gpu",
    )


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("ErrImagePull", NOT_FOUND),
        ("ImagePullBackOff", f'Back-off pulling image "registry.example/serve:9": ErrImagePull: {NOT_FOUND}'),
    ],
)
def test_an_image_that_does_not_exist_is_told_alike_while_pulling_and_while_backing_off(
    reason: str, message: str
) -> None:
    assert words(waiting(reason, message)) == (
        Reason.PODS_FAILING,
        "1 of 1 pods fail: container model: image registry.example/serve:9 cannot be pulled: "
        'failed to pull and unpack image "registry.example/serve:9": failed to resolve reference '
        '"registry.example/serve:9": registry.example/serve:9: not found',
    )


def test_an_older_kubelet_says_less() -> None:
    said = words(waiting("ImagePullBackOff", 'Back-off pulling image "registry.example/serve:9"'))[1]
    assert said == "1 of 1 pods fail: container model: image registry.example/serve:9 cannot be pulled"


def test_a_port_that_changes_with_each_try_is_left_out() -> None:
    first, second = (
        words(waiting("ErrImagePull", f"dial tcp: lookup a: read udp 10.1.2.3:{port}->10.0.0.10:53: i/o timeout"))
        for port in (43210, 50001)
    )
    assert first == second and "10.0.0.10:53" in first[1]


@pytest.mark.parametrize(
    ("failed", "said"),
    [
        (crashed(3, "model failed to load: no weights"), "ended with exit code 3: model failed to load: no weights"),
        (crashed(137, reason="OOMKilled"), "ended with exit code 137 (OOMKilled)"),
        (crashed(0, reason="Completed"), "ended with exit code 0 (Completed)"),
        (crashed(1, state={"running": {}}), "ended with exit code 1"),
        (waiting("CreateContainerConfigError", 'secret "login" not found'), 'CreateContainerConfigError: secret "login" not found'),
        (waiting("InvalidImageName", "couldn't parse"), "InvalidImageName: couldn't parse"),
    ],
)  # fmt: skip
def test_a_container_that_fails_is_told_with_its_last_words(failed: dict[str, Any], said: str) -> None:
    assert words(failed) == (Reason.PODS_FAILING, f"1 of 1 pods fail: container model: {said}")


def test_an_init_container_that_fails_is_named_and_one_that_waits_for_it_is_not() -> None:
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": "no such version"}}
    init = {"name": "fetch", "ready": False, "state": ended}
    model = {"name": "model", "ready": False, "state": {"waiting": {"reason": "PodInitializing"}}}
    said = words(pod(phase="Pending", initContainerStatuses=[init], containerStatuses=[model]))[1]
    assert said == "1 of 1 pods fail: init container fetch: ended with exit code 1: no such version"


def test_pods_that_only_need_time_are_no_trouble() -> None:
    done = {"name": "fetch", "ready": True, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    loading = {"name": "model", "ready": False, "state": {"running": {}}}
    pods = [
        waiting("ContainerCreating"),
        pod(phase="Running", initContainerStatuses=[done], containerStatuses=[loading]),
        pod(phase="Pending"),
        pod(phase="Running", containerStatuses=[{"name": "model", "ready": True, "lastState": {"terminated": {"exitCode": 1}}}]),
    ]  # fmt: skip
    assert diagnose(None, pods) is None
    assert diagnose(None, [pod(deleting=True, phase="Failed", reason="Evicted")]) is None


def test_an_evicted_pod_is_told() -> None:
    said = words(pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."))[1]
    assert said == "1 of 1 pods fail: Evicted: The node was low on resource: memory."


def test_the_most_frequent_comes_first_and_gives_the_reason() -> None:
    reason, said = words(crashed(1), unschedulable(), unschedulable(), pod(phase="Running"))
    assert reason == Reason.UNSCHEDULABLE
    assert said.startswith("2 of 4 pods cannot be scheduled: ") and said.endswith(
        "1 of 4 pods fail: container model: ended with exit code 1"
    )
    assert words(unschedulable(), pod(phase="Running"), unschedulable(), crashed(1)) == (reason, said)


def test_what_changes_from_look_to_look_changes_no_words() -> None:
    one, other = crashed(1, "boom"), crashed(1, "boom")
    other["metadata"]["name"] = "r-other"
    other["status"]["containerStatuses"][0]["restartCount"] = 9
    assert words(one, other)[1].count("boom") == 1


def test_messages_are_bounded_and_on_one_line() -> None:
    said = words(crashed(1, "x\n" * 4000), unschedulable())[1]
    assert len(said) == MESSAGE_LENGTH and "\n" not in said


# ---- secrets


def test_no_secret_reaches_the_message() -> None:
    env = [
        {"name": "DB_PASSWORD", "value": "hunter22"},
        {"name": "MODEL_NAME", "value": "fraud"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "t"}}},
    ]
    failed = crashed(
        1,
        "fraud: cannot log in as admin:hunter22 at https://user:pw123@db/x and https://s3/b?X-Amz-Signature=abc "
        "Authorization: Bearer eyJhbGciOi.J9 api_key=AKIA123 password: s3cr3t-99",
    )
    failed["spec"]["containers"][0]["env"] = env
    said = words(failed)[1]
    for secret in ("hunter22", "pw123", "abc", "eyJ", "AKIA", "s3cr3t"):
        assert secret not in said
    assert "fraud: cannot log in as admin:***" in said


@pytest.mark.parametrize(
    "text",
    [
        'secret "registry" not found',
        "couldn't find key password in Secret risk/registry",
        "failed to fetch the token: unexpected status",
        "0/3 nodes are available: 3 Insufficient nvidia.com/gpu",
        "image registry.example:5000/serve@sha256:0123 cannot be pulled",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert without_secrets(text) == text
