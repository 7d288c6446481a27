"""What is rendered for the components and applied for the parts."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import configuration, manifests
from cluster.binaries import Binaries
from cluster.components import api_server, node_components
from cluster.errors import MissingRequirement
from cluster.layout import DNS_ADDRESS, NODE_ADDRESS, State
from cluster.namespaces import enter, isolate
from cluster.parts import ALL_PARTS, GATEWAY, MLFLOW, PARTS, PROMETHEUS, choose


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path / "demo")
    made.create()
    return made


def test_pods_run_below_the_clusters_own_group(state: State) -> None:
    configuration.write_node(state, cgroup="steersman-demo", sandbox_image="pause:1", runc=Path("/usr/sbin/runc"))
    kubelet = yaml.safe_load((state.configuration / "kubelet.yaml").read_text())
    assert kubelet["cgroupRoot"] == "/steersman-demo"
    assert kubelet["containerRuntimeEndpoint"] == f"unix://{configuration.CONTAINERD_SOCKET}"
    assert kubelet["clusterDNS"] == [DNS_ADDRESS]
    assert Path(kubelet["resolvConf"]).read_text() == ""


def test_containerds_configuration_is_toml(state: State) -> None:
    text = configuration.containerd(root="/r", network_folder="/n", sandbox_image="pause:1", runc="/sbin/runc")
    read = tomllib.loads(text)
    cri = read["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] == "pause:1"
    assert cri["restrict_oom_score_adj"] is True
    assert cri["containerd"]["runtimes"]["runc"]["options"]["BinaryName"] == "/sbin/runc"
    assert read["grpc"]["address"] != "/run/containerd/containerd.sock"  # the machine's own


def test_a_containerd_that_only_unpacks_has_no_cri() -> None:
    text = configuration.containerd(root="/r", network_folder="", sandbox_image="", runc="", with_cri=False)
    assert "io.containerd.grpc.v1.cri" in tomllib.loads(text)["disabled_plugins"]


def test_the_catch_all_of_the_name_server_stands_apart(state: State) -> None:
    # CoreDNS runs `template` before `kubernetes`, whatever their order: in one block it would answer everything.
    blocks = configuration.corefile(state).split("\n}\n")
    (with_names,) = [block for block in blocks if "kubernetes " in block]
    assert "template" not in with_names


def test_only_the_programs_that_need_the_api_wait_for_it(state: State) -> None:
    names = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
    programs = {name: Path("/bin", name) for name in (*names, "etcd", "coredns", "containerd")}
    made = node_components(state, programs)
    assert [component.name for component in made if not component.needs_api] == ["containerd", "etcd", "kube-apiserver"]
    assert len({component.name for component in made}) == len(made)


def test_an_api_server_without_node_publishes_no_loopback_endpoint(tmp_path: Path) -> None:
    made = api_server(
        Path("/a"), tmp_path, etcd_url="u", bind="127.0.0.1", port=1, advertise="127.0.0.1", with_node=False
    )
    assert "--endpoint-reconciler-type=none" in made.command
    assert not any(flag.startswith("--kubelet") for flag in made.command)


def test_the_namespaces_end_with_whoever_started_them() -> None:
    words = isolate(["program", "argument"])
    assert words[:3] == ["setpriv", "--pdeathsig", "KILL"]
    assert "--kill-child=KILL" in words
    assert words[-3:] == ["--", "program", "argument"]


def test_entering_names_the_namespaces() -> None:
    assert enter(7, ["ip", "a"], ["net", "mount"]) == ["nsenter", "--target", "7", "--net", "--mount", "--", "ip", "a"]
    with pytest.raises(ValueError, match="user"):
        enter(7, ["ip"], ["user"])


# ---------------------------------------------------------------- parts


@pytest.fixture
def built(tmp_path: Path) -> Binaries:
    for folder, file, kind in (
        ("gateway-api-crds", "gateway.networking.k8s.io_httproutes.yaml", "CustomResourceDefinition"),
        ("contour-manifests", "01-crds.yaml", "CustomResourceDefinition"),
        ("contour-manifests", "02-rbac.yaml", "RoleBinding"),
        ("contour-manifests", "02-role-contour.yaml", "ClusterRole"),
        ("contour-manifests", "03-contour.yaml", "Deployment"),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / file).write_text(f"kind: {kind}\nmetadata: {{name: {file}}}\n")
    return Binaries((tmp_path,))


def _find(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


@pytest.mark.parametrize("name", sorted(ALL_PARTS))
def test_a_parts_manifests_fit_what_is_said_of_it(name: str, built: Binaries) -> None:
    part = PARTS[name]
    objects = part.objects(built, "registry.example/image:1", "5s")
    assert objects[0] == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": part.namespace}}
    service = _find(objects, "Service", part.service)
    assert part.port in [port["port"] for port in service["spec"]["ports"]]
    for deployment in part.deployments:
        pod = _find(objects, "Deployment", deployment)["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"] + pod.get("initContainers", []):
            assert container["image"] == "registry.example/image:1"
    assert "${" not in manifests.as_list(objects)


def test_the_gateway_takes_routes_from_everywhere(built: Binaries) -> None:
    gateway = _find(GATEWAY.objects(built, "i", "5s"), "Gateway", "steersman")
    assert gateway["metadata"]["namespace"] == "projectcontour"
    (listener,) = gateway["spec"]["listeners"]
    assert (listener["protocol"], listener["port"]) == ("HTTP", 80)
    assert listener["allowedRoutes"] == {"namespaces": {"from": "All"}}


def test_contours_roles_are_its_own_and_its_deployment_is_ours(built: Binaries) -> None:
    objects = GATEWAY.objects(built, "i", "5s")
    assert _find(objects, "ClusterRole", "02-role-contour.yaml")
    assert not [each for each in objects if each["metadata"]["name"] == "03-contour.yaml"]
    assert {each["kind"] for each in GATEWAY.definitions(built)} == {"CustomResourceDefinition"}
    assert PROMETHEUS.definitions(built) == MLFLOW.definitions(built) == []


def _scrape_configs(built: Binaries, interval: str = "5s") -> dict[str, Any]:
    config = _find(PROMETHEUS.objects(built, "i", interval), "ConfigMap", "prometheus")["data"]["prometheus.yml"]
    read = yaml.safe_load(config)
    assert read["global"]["scrape_interval"] == interval
    return {job["job_name"]: job for job in read["scrape_configs"]}


def test_prometheus_scrapes_at_the_interval_asked_for(built: Binaries) -> None:
    assert set(_scrape_configs(built, "2s")) == {"models", "annotated", "envoy", "prometheus"}


def test_models_get_the_labels_that_a_pod_monitor_gives(built: Binaries) -> None:
    rules = _scrape_configs(built)["models"]["relabel_configs"]
    assert {rule["target_label"] for rule in rules if "target_label" in rule} >= {"namespace", "pod"}
    (labels,) = [rule for rule in rules if rule.get("action") == "labelmap"]
    assert labels["regex"] == "__meta_kubernetes_pod_label_(steersman_dev_.+)"
    address = next(rule for rule in rules if rule.get("target_label") == "__address__")
    assert address["replacement"] == "$1:$2"


def test_the_name_servers_address_is_filled_in() -> None:
    objects = manifests.read("dns", dns_address=DNS_ADDRESS, node_address=NODE_ADDRESS)
    assert _find(objects, "Service", "kube-dns")["spec"]["clusterIP"] == DNS_ADDRESS
    assert _find(objects, "EndpointSlice", "kube-dns-node")["endpoints"][0]["addresses"] == [NODE_ADDRESS]


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError, match="dns_address"):
        manifests.read("dns", node_address=NODE_ADDRESS)


def test_parts_are_chosen_by_name() -> None:
    assert choose([]) == []
    assert choose(["mlflow", "gateway"]) == [GATEWAY, MLFLOW]
    with pytest.raises(MissingRequirement, match="no part called istio; the parts are gateway, mlflow, prometheus"):
        choose(["istio", "gateway"])
