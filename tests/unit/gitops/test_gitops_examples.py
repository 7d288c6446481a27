"""The page about GitOps and its examples: true, valid, and of one piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from examples.gitops.argocd.generate import ARGO_CD

from steersman.api.crds import KINDS
from steersman.api.meta import API_VERSION
from steersman.core.rollout.actions import WORDS
from unit.gitops.scenarios import SCENARIOS
from unit.packaging.test_example_manifests import unknown_fields

REPOSITORY = Path(__file__).resolve().parents[3]
GITOPS = REPOSITORY / "examples" / "gitops"
PAGE = (REPOSITORY / "docs" / "gitops.md").read_text()
SPECS = {kind.kind: kind.spec for kind in KINDS}
Manifest = dict[str, Any]


def documents(*folders: str) -> list[Manifest]:
    files = [path for folder in folders for path in sorted((GITOPS / folder).glob("*.yaml"))]
    assert files
    return [document for path in files for document in yaml.safe_load_all(path.read_text())]


IN_GIT = documents("registries", "models", "adopted-route")
OF_TOOLS = [document for document in documents("argocd", "flux") if document["kind"] != "ConfigMap"]
KUSTOMIZATIONS = [document for document in OF_TOOLS if document["kind"] == "Kustomization"]
APPLICATIONS = [document for document in OF_TOOLS if document["kind"] == "Application"]


def test_the_table_of_the_page_is_what_the_tests_drive() -> None:
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in PAGE.split("## Actions")[0].splitlines()
        if line.startswith("| ") and line.count("|") == 5
    ]
    assert rows[1:] == [(name, s.phase or "", s.kstatus, s.health) for name, s in SCENARIOS.items()]


def test_the_page_names_every_action() -> None:
    listed = {
        word.strip() for line in PAGE.splitlines() if line.startswith("| `") for word in line.split("|")[1].split(",")
    }
    assert {f"`{word}`" for word in WORDS} <= listed


@pytest.mark.parametrize("manifest", [m for m in IN_GIT if m["apiVersion"] == API_VERSION], ids=lambda m: m["kind"])
def test_what_is_in_git_is_valid_and_has_no_unknown_field(manifest: Manifest) -> None:
    spec = SPECS[manifest["kind"]].model_validate(manifest["spec"])
    assert unknown_fields(manifest["spec"], spec.model_dump(mode="json", by_alias=True)) == []
    assert manifest["metadata"]["namespace"] == "risk"


def test_the_adopted_route_leads_to_the_service_of_its_model_deployment() -> None:
    (route,) = [m for m in IN_GIT if m["kind"] == "HTTPRoute"]
    (adopting,) = [m for m in IN_GIT if (m["spec"].get("traffic") or {}).get("gatewayAPI", {}).get("adopt")]
    assert adopting["spec"]["traffic"]["gatewayAPI"]["adopt"]["name"] == route["metadata"]["name"]
    assert [ref["name"] for rule in route["spec"]["rules"] for ref in rule["backendRefs"]] == [
        adopting["metadata"]["name"]
    ]
    (ignored,) = [rule for m in APPLICATIONS for rule in m["spec"].get("ignoreDifferences", [])]
    assert (ignored["kind"], ignored["name"]) == ("HTTPRoute", route["metadata"]["name"])
    assert ignored["jqPathExpressions"] == [".spec.rules[]?.backendRefs"]
    (rule,) = [rule for m in KUSTOMIZATIONS for rule in m["spec"].get("ignore", [])]
    assert (rule["target"]["kind"], rule["target"]["name"]) == ("HTTPRoute", route["metadata"]["name"])
    assert rule["paths"] == [f"/spec/rules/{index}/backendRefs" for index in range(len(route["spec"]["rules"]))]


def test_applications_sync_and_heal_by_themselves() -> None:
    for application in APPLICATIONS:
        assert application["apiVersion"] == "argoproj.io/v1alpha1"
        assert application["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
        assert "RespectIgnoreDifferences=true" not in application["spec"]["syncPolicy"]["syncOptions"]
        assert application["spec"]["destination"]["namespace"] == "risk"


def test_paths_lead_to_the_folders_of_the_examples() -> None:
    sources = [s for m in APPLICATIONS for s in m["spec"].get("sources", [m["spec"].get("source")])]
    paths = [source["path"] for source in sources] + [m["spec"]["path"].removeprefix("./") for m in KUSTOMIZATIONS]
    assert set(paths) == {"registries", "models", "adopted-route"}
    assert all((GITOPS / path).is_dir() for path in paths)


def test_kustomizations_wait_and_come_after_what_they_need() -> None:
    for kustomization in KUSTOMIZATIONS:
        spec = kustomization["spec"]
        assert kustomization["apiVersion"] == "kustomize.toolkit.fluxcd.io/v1"
        assert spec["wait"] is True
        assert spec["sourceRef"] == {"kind": "GitRepository", "name": "models"}
        if spec["path"] != "./registries":
            assert spec["dependsOn"] == [{"name": "registries"}]
            assert "timeout" in spec


def test_the_page_names_every_example() -> None:
    for path in (*GITOPS.glob("*/*.yaml"), ARGO_CD / "resource_customizations" / "steersman.dev"):
        if path.parent.name not in ("registries", "models"):
            assert f"../{path.relative_to(REPOSITORY)}" in PAGE
