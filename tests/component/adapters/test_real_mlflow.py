"""The registry adapter against real MLflow servers: one open, one with basic authentication."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.component.adapters.conftest import ADMIN_PASSWORD, MLflow

from steersman.adapters.registries.mlflow import MLflowRegistry
from steersman.api.conditions import Reason
from steersman.ports import ModelVersion, RegistryCredentials, RegistryError, VersionSelector


@pytest.fixture
async def registry() -> AsyncIterator[MLflowRegistry]:
    made = MLflowRegistry(timeout=30)
    yield made
    await made.close()


async def refused(
    registry: MLflowRegistry, url: str, selector: VersionSelector, credentials: RegistryCredentials | None = None
) -> RegistryError:
    with pytest.raises(RegistryError) as caught:
        await registry.resolve(url, credentials, selector)
    return caught.value


async def test_a_version_without_and_with_a_logged_model(mlflow: MLflow, registry: MLflowRegistry) -> None:
    first = await registry.resolve(mlflow.url, None, VersionSelector("fraud", version="1"))
    assert first == ModelVersion("fraud", "1", None, mlflow.run_id)
    second = await registry.resolve(mlflow.url, None, VersionSelector("fraud", version="2"))
    assert second == ModelVersion("fraud", "2", mlflow.model_id, mlflow.run_id)


async def test_an_alias_and_its_move(mlflow: MLflow, registry: MLflowRegistry) -> None:
    selector = VersionSelector("fraud", alias="champion")
    assert (await registry.resolve(mlflow.url, None, selector)).version == "2"
    mlflow.post("registered-models/alias", {"name": "fraud", "alias": "champion", "version": "3"})
    assert (await registry.resolve(mlflow.url, None, selector)).version == "3"
    mlflow.post("registered-models/alias", {"name": "fraud", "alias": "champion", "version": "2"})


async def test_aliases_by_a_search(mlflow: MLflow, registry: MLflowRegistry) -> None:
    wanted = {("fraud", "champion"), ("fraud", "none"), ("it's", "champion")}
    assert await registry.aliases(mlflow.url, None, wanted) == {("fraud", "champion"): "2"}


@pytest.mark.parametrize(
    ("model", "tags", "version"),
    [
        ("fraud", {"stage": "ok"}, "2"),
        ("fraud", {"stage": "no"}, "3"),
        ("fraud", {"stage": "ok", "team": "risk"}, "2"),
        ("fraud", {"odd": 'it\'s "x" % `'}, "1"),
        ("fraud", {"stage": "ok", "odd": 'it\'s "x" % `'}, "1"),
        ("it's", {"stage": "ok"}, "1"),
        ('say "x"', {"stage": "ok"}, "1"),
    ],
)
async def test_tags(mlflow: MLflow, registry: MLflowRegistry, model: str, tags: dict[str, str], version: str) -> None:
    selector = VersionSelector(model, tags=tuple(tags.items()))
    found = await registry.resolve(mlflow.url, None, selector)
    assert (found.model, found.version) == (model, version)


@pytest.mark.parametrize(
    ("selector", "reason"),
    [
        (VersionSelector("fraud", version="99"), Reason.VERSION_NOT_FOUND),
        (VersionSelector("empty", version="1"), Reason.VERSION_NOT_FOUND),
        (VersionSelector("gone", version="1"), Reason.MODEL_NOT_FOUND),
        (VersionSelector("fraud", alias="nobody"), Reason.ALIAS_NOT_FOUND),
        (VersionSelector("fraud", alias="a b/c'\"`;--"), Reason.ALIAS_NOT_FOUND),
        (VersionSelector("gone", alias="champion"), Reason.MODEL_NOT_FOUND),
        (VersionSelector("fraud", tags=(("stage", "none"),)), Reason.NO_MATCHING_VERSION),
        (VersionSelector("fraud", tags=(("a'\"`", "' OR ''='"),)), Reason.NO_MATCHING_VERSION),
        (VersionSelector("empty", tags=(("stage", "ok"),)), Reason.NO_MATCHING_VERSION),
        (VersionSelector("gone", tags=(("stage", "ok"),)), Reason.MODEL_NOT_FOUND),
        (VersionSelector("fraud' OR '1'='1", tags=(("stage", "ok"),)), Reason.MODEL_NOT_FOUND),
    ],
)
async def test_what_is_missing_is_said(
    mlflow: MLflow, registry: MLflowRegistry, selector: VersionSelector, reason: Reason
) -> None:
    assert (await refused(registry, mlflow.url, selector)).reason == reason


async def test_an_alias_goes_with_its_deleted_version(mlflow: MLflow, registry: MLflowRegistry) -> None:
    created = mlflow.post("model-versions/create", {"name": "empty", "source": "s3://bucket/model", "run_id": ""})
    version = created["model_version"]["version"]
    mlflow.post("registered-models/alias", {"name": "empty", "alias": "champion", "version": version})
    selector = VersionSelector("empty", alias="champion")
    assert await registry.resolve(mlflow.url, None, selector) == ModelVersion("empty", version)
    mlflow.delete("model-versions/delete", {"name": "empty", "version": version})
    assert (await refused(registry, mlflow.url, selector)).reason == Reason.ALIAS_NOT_FOUND


async def test_basic_authentication(guarded_mlflow: MLflow, registry: MLflowRegistry) -> None:
    url, selector = guarded_mlflow.url, VersionSelector("gone", version="1")
    assert (await refused(registry, url, selector)).reason == Reason.REGISTRY_UNAUTHORIZED
    wrong = RegistryCredentials(username="admin", password="wrong")
    assert (await refused(registry, url, selector, wrong)).reason == Reason.REGISTRY_UNAUTHORIZED
    right = RegistryCredentials(username="admin", password=ADMIN_PASSWORD)
    assert (await refused(registry, url, selector, right)).reason == Reason.MODEL_NOT_FOUND


async def test_tags_and_aliases_are_written(mlflow: MLflow, registry: MLflowRegistry) -> None:
    key = "steersman.dev/eu/risk/fraud/evidence"
    for value in ("first", 'odd: it\'s "x" ✓\nline'):
        await registry.set_tag(mlflow.url, None, ("it's", "1"), key, value)
    tagged = VersionSelector("it's", tags=((key, 'odd: it\'s "x" ✓\nline'),))
    assert (await registry.resolve(mlflow.url, None, tagged)).version == "1"
    for _ in range(2):
        await registry.set_alias(mlflow.url, None, ("it's", "1"), "production")
    selector = VersionSelector("it's", alias="production")
    assert (await registry.resolve(mlflow.url, None, selector)).version == "1"
    for call in (
        registry.set_tag(mlflow.url, None, ("fraud", "99"), key, "x"),
        registry.set_alias(mlflow.url, None, ("fraud", "99"), "production"),
        registry.set_tag(mlflow.url, None, ("gone", "1"), key, "x"),
    ):
        with pytest.raises(RegistryError) as caught:
            await call
        assert caught.value.reason == Reason.VERSION_NOT_FOUND
    with pytest.raises(RegistryError, match="reserved") as caught:
        await registry.set_alias(mlflow.url, None, ("it's", "1"), "latest")
    assert caught.value.reason == Reason.REGISTRY_ERROR
