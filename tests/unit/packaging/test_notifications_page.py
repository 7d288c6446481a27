"""docs/reference/notifications.md says what is so, and what it shows is accepted."""

import re
from pathlib import Path

import yaml
from helm.values import Values

from steersman.adapters.notify.schemas import DEFAULT_SCHEMAS, NEVER
from steersman.api.conditions import Reason
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.notifications import DEFAULT, NOTABLE, PLACEHOLDERS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "notifications.md").read_text()
SHOWN = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def test_the_manifest_and_the_values_that_it_shows_are_accepted() -> None:
    manifest, values = SHOWN
    spec = ModelDeploymentSpec.model_validate(manifest["spec"])
    assert [target.name for target in spec.notifications] == ["team-chat", "on-call"]
    assert spec.notifications[1].events == [Reason.ROLLED_BACK, Reason.REGRESSION, Reason.INCONCLUSIVE_LIMIT_EXCEEDED]
    for given, read in zip(manifest["spec"]["notifications"], spec.notifications, strict=True):
        assert set(given) <= set(read.to_wire()), "no field is mistyped"
    assert Values.model_validate(values).notifications.targets[0].key == "teams"


def test_it_names_the_defaults_the_placeholders_and_every_schema() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `events`"))
    assert re.findall(r"`(\w+)`", row.partition("Default")[2]) == [reason.value for reason in DEFAULT]
    assert all(f"`{{{{{name}}}}}`" in PAGE for name in PLACEHOLDERS)
    table = PAGE[PAGE.index("| | schemas |") : PAGE.index("No setting allows")]
    named = {
        schema
        for word in re.findall(r"`([a-z()]+)`", table)
        for schema in ([word] if "(" not in word else [word.removesuffix("(s)"), word.replace("(s)", "s")])
    }
    assert named == set(DEFAULT_SCHEMAS)
    assert all(f"`{word}`" in PAGE for word in ("syslog", "dbus", "mqtt", "fcm", "vapid"))
    assert {"syslog", "dbus", "mqtt", "fcm", "vapid"} <= NEVER


def test_the_crd_says_which_events_are_told_by_default() -> None:
    crd = yaml.safe_load(
        (Path(__file__).resolve().parents[3] / "crds" / "modeldeployments.steersman.dev.yaml").read_text()
    )
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    target = schema["properties"]["notifications"]["items"]["properties"]
    assert target["events"]["items"]["enum"] == [reason.value for reason in NOTABLE]
    assert re.findall(r"\b[A-Z]\w+[A-Z]\w+|Paused|Promoted", target["events"]["description"]) == [
        each.value for each in DEFAULT
    ]
    assert "on" not in target, "YAML reads it as true"
