"""The pods of the examples of runtimes, shown to a real API server that enforces the restricted Pod Security Standard."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from cluster.errors import ClusterError
from steersman.api.crds import KINDS
from unit.packaging.runtime_examples import DEPLOYMENTS, OBJECTS, REPOSITORY, rendered

NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "restricted", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}
ACCOUNT = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": "default", "namespace": "restricted"},
}


@pytest.fixture(scope="module")
def api(control_plane: Any) -> Any:
    # Server-side: the account may come by itself at the same moment.
    control_plane.kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", input=yaml.safe_dump_all([NAMESPACE, ACCOUNT])
    )
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(REPOSITORY / "crds"))
    for kind in KINDS:
        control_plane.wait("condition=Established", f"customresourcedefinition/{kind.crd_name}")
    return control_plane


def create(api: Any, spec: dict[str, Any]) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "example", "namespace": "restricted"},
        "spec": spec,
    }
    api.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", input=yaml.safe_dump(pod))


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_api_server_takes_the_pod(api: Any, name: str) -> None:
    create(api, rendered(name)["spec"])


@pytest.mark.parametrize("document", OBJECTS, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_the_api_server_takes_the_example(api: Any, document: dict[str, Any]) -> None:
    words = ("create", "--dry-run=server", "--validate=strict", "-f", "-")
    api.kubectl(*words, input=yaml.safe_dump(document))


def test_it_would_not_take_any_pod(api: Any) -> None:
    spec = rendered("digits")["spec"]
    del spec["containers"][0]["securityContext"]
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        create(api, spec)
