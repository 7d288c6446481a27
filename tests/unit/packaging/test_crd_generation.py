"""The CustomResourceDefinitions: complete, structural, and the same as on disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from steersman.api.crds import KINDS, crd_files, main

REPOSITORY = Path(__file__).resolve().parents[3]


def schemas(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from schemas(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from schemas(node[key], f"{path}[]")


@pytest.fixture(params=KINDS, ids=lambda kind: kind.kind)
def kind(request):
    return request.param


def test_the_files_in_the_repository_are_what_the_models_say():
    assert main([str(REPOSITORY / "crds"), "--check"]) == 0
    assert {path.name for path in (REPOSITORY / "crds").iterdir()} == set(crd_files())


def test_check_names_stale_and_missing_files_and_writes_nothing(tmp_path, capsys):
    assert main([str(tmp_path)]) == 0
    stale = tmp_path / "modelregistries.steersman.dev.yaml"
    stale.write_text("kind: Other\n")
    (tmp_path / "servingruntimes.steersman.dev.yaml").unlink()

    assert main([str(tmp_path), "--check"]) == 1

    complaints = capsys.readouterr().err
    assert "modelregistries" in complaints
    assert "servingruntimes" in complaints
    assert "modeldeployments" not in complaints
    assert stale.read_text() == "kind: Other\n"


def test_files_read_back_as_the_manifests(kind):
    assert yaml.safe_load(crd_files()[f"{kind.crd_name}.yaml"]) == kind.manifest()


def test_every_node_has_one_type_and_nothing_that_is_not_structural(kind):
    for path, node in schemas(kind.schema()):
        # Only these have two types, and then none.
        assert isinstance(node.get("type"), str) or node.get("x-kubernetes-int-or-string"), path
        assert not {"$ref", "anyOf", "oneOf", "allOf", "title", "$defs"} & node.keys(), path
        assert node.get("additionalProperties") is not False, path
        # The API server refuses both at once.
        assert not ("properties" in node and "additionalProperties" in node), path


def test_every_rule_has_a_message(kind):
    for path, node in schemas(kind.schema()):
        for rule in node.get("x-kubernetes-validations", []):
            assert rule["rule"], path
            assert rule["message"], path


def test_lists_with_rules_are_bounded_as_their_cost_depends_on_it(kind):
    for path, node in schemas(kind.schema()["properties"]["spec"]):
        if node.get("type") == "array":
            assert "maxItems" in node, path


def test_status_has_no_defaults_but_that_of_an_object_that_was_not_seen_yet(kind):
    status = kind.schema()["properties"].get("status", {"type": "object"})
    assert status.pop("default", None) == ({"observedGeneration": -1} if kind.kind == "ModelDeployment" else None)
    assert [path for path, node in schemas(status) if "default" in node] == []


def test_model_deployments_show_their_rollout_in_columns():
    (version,) = KINDS[0].manifest()["spec"]["versions"]
    columns = {column["name"]: column for column in version["additionalPrinterColumns"]}
    wide = [name for name, column in columns.items() if column.get("priority")]
    assert list(columns) == [
        *("Version", "Candidate", "Phase", "Weight", "Step", "Ready", "Age"),
        *wide,
    ]
    assert wide == ["Model", "Alias", "Message"]
    assert version["subresources"] == {"status": {}}


def test_printed_fields_exist(kind):
    known = {path for path, _ in schemas(kind.schema())}
    for column in kind.columns:
        path = column.path.split("[?", 1)[0]
        assert path in known or path.startswith(".metadata."), column


def test_conditions_merge_by_type():
    conditions = [
        node for kind in KINDS for path, node in schemas(kind.schema()) if path.endswith(".status.conditions")
    ]
    assert len(conditions) == 2
    for node in conditions:
        assert (node["x-kubernetes-list-type"], node["x-kubernetes-list-map-keys"]) == ("map", ["type"])
