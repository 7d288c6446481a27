import kopf

from steersman.shell.handlers import settings_for
from steersman.shell.kinds import watched

BODY = kopf.Body(
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a", "annotations": {"kopf.zalando.org/last-handled-configuration": "{}"}},
        "spec": {"ports": []},
    }
)


def test_kopf_keeps_no_state_on_objects_and_copies_none() -> None:
    settings = settings_for(watched(True), scan=True)
    last, progress = settings.persistence.diffbase_storage, settings.persistence.progress_storage
    patch = kopf.Patch()
    essence = last.build(body=BODY)
    last.store(body=BODY, patch=patch, essence=essence)
    progress.touch(body=BODY, patch=patch, value="x")
    progress.purge(key="handler", body=BODY, patch=patch)
    assert not patch
    assert essence == {}
    assert last.fetch(body=BODY) is None
    assert progress.fetch(key="handler", body=BODY) is None
    assert progress.clear(essence=essence) is essence


def test_owned_kinds_are_watched_by_label_and_kopf_writes_no_events() -> None:
    settings = settings_for(watched(True), scan=True)
    assert settings.watching.label_selectors["apps", "deployments"] == "app.kubernetes.io/managed-by=steersman"
    assert ("steersman.dev", "modeldeployments") not in settings.watching.label_selectors
    assert settings.posting.enabled is False
    assert settings.peering.standalone is True
