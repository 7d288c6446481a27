"""Structural schemas from pydantic models."""

from enum import StrEnum
from typing import Annotated

import pytest
from pydantic import Field

from steersman.api.conditions import Condition
from steersman.api.duration import Duration
from steersman.api.meta import ApiModel
from steersman.api.runtime import FreeForm
from steersman.api.schema import NotStructuralError, reflow, structural_schema


class Colour(StrEnum):
    """A colour."""

    RED = "Red"
    """As a
    tomato."""
    GREEN = "Green"


class Inner(ApiModel):
    """An inner thing."""

    model_config = {"json_schema_extra": {"x-kubernetes-validations": [{"rule": "self.a > 0", "message": "inner"}]}}

    a: int


class Outer(ApiModel):
    """An outer thing."""

    some_text: str | None = None
    """What it is
    about.

    More of it."""
    colour: Colour = Colour.RED
    delay: Duration = 90.0
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    items: list[Inner] = [Inner(a=1)]
    inner: Annotated[
        Inner,
        Field(json_schema_extra={"x-kubernetes-validations": [{"rule": "self.a < 9", "message": "outer"}]}),
    ] = Inner(a=1)
    """Said of this field."""
    anything: FreeForm = {}
    labels: dict[str, str] = {}
    needed: bool


class Either(ApiModel):
    """A union."""

    value: int | str


@pytest.fixture
def outer():
    return structural_schema(Outer)


def test_optional_fields_are_absent_rather_than_null(outer):
    assert outer["properties"]["someText"] == {"description": "What it is about.\n\nMore of it.", "type": "string"}
    assert outer["required"] == ["needed"]


def test_only_scalars_show_their_defaults(outer):
    defaults = {name: node["default"] for name, node in outer["properties"].items() if "default" in node}
    assert defaults == {"colour": "Red", "delay": "1m30s", "share": 0.5}


def test_defaults_can_be_left_out_altogether():
    schema = structural_schema(Outer, defaults=False)
    assert [name for name, node in schema["properties"].items() if "default" in node] == []


def test_enum_members_bring_their_docstrings(outer):
    assert outer["properties"]["colour"]["enum"] == ["Red", "Green"]
    assert outer["properties"]["colour"]["description"] == "A colour. `Red`: As a tomato."


def test_exclusive_bounds_are_booleans(outer):
    share = outer["properties"]["share"]
    assert (share["minimum"], share["exclusiveMinimum"]) == (0, True)
    assert (share["maximum"], share["exclusiveMaximum"]) == (1, True)


def test_references_are_inlined_with_both_descriptions_and_all_rules(outer):
    inner = outer["properties"]["inner"]
    assert inner["description"] == "Said of this field.\n\nAn inner thing."
    assert [rule["message"] for rule in inner["x-kubernetes-validations"]] == ["outer", "inner"]
    assert inner["properties"]["a"] == {"type": "integer", "format": "int64"}
    assert outer["properties"]["items"]["items"]["properties"] == inner["properties"]


def test_free_form_objects_keep_unknown_fields_and_maps_their_value_type(outer):
    assert outer["properties"]["anything"] == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    assert outer["properties"]["labels"] == {"type": "object", "additionalProperties": {"type": "string"}}


def test_a_union_is_refused():
    with pytest.raises(NotStructuralError, match="anyOf"):
        structural_schema(Either)


def test_reasons_stay_open_so_that_a_newer_operator_can_write_its_status():
    properties = structural_schema(Condition)["properties"]
    assert "enum" not in properties["reason"]
    assert "enum" not in properties["type"]
    assert properties["status"]["enum"] == ["True", "False", "Unknown"]


def test_reflow_joins_lines_and_keeps_paragraphs():
    assert reflow("One\n    two.\n\n    Three.\n    ") == "One two.\n\nThree."
