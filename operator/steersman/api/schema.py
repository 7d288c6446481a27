"""Structural OpenAPI v3 schemas, as CustomResourceDefinitions want them, from the API models.

What Kubernetes asks beyond JSON Schema: everything inline, no `null` alternatives, exclusive bounds as booleans.
See https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from enum import Enum
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from steersman.api.conditions import ConditionType, Reason

Schema = dict[str, Any]

VALIDATIONS = "x-kubernetes-validations"

OPEN_ENUMS = (ConditionType, Reason)
"""Enums that stay plain strings in the CRD, so that an operator newer than the CRDs can still write its status."""

_MEMBERS = "x-members"
"""Carries the docstrings of an enum's members between the two passes."""
_CONDITION_WORD = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
_KEY_ORDER = (
    "description",
    "type",
    "format",
    "enum",
    "default",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-int-or-string",
    VALIDATIONS,
    "required",
    "properties",
    "additionalProperties",
    "items",
)


class NotStructuralError(ValueError):
    """A model uses a construct that has no structural form, such as a union."""


def structural_schema(model: type[BaseModel], *, defaults: bool = True) -> Schema:
    """The schema of a model in its wire form; `defaults=False` leaves every default out. Raises NotStructuralError."""
    schema = model.model_json_schema(by_alias=True, mode="serialization", schema_generator=_Generator)
    return _structural(schema, schema.pop("$defs", {}), defaults)


def reflow(text: str) -> str:
    """A docstring's paragraphs, each as one line."""
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", inspect.cleandoc(text).strip()))


class _Generator(GenerateJsonSchema):
    """Optional means absent, never null; only scalars show their default; fields and enum members bring their docstrings.

    The docstrings are read here rather than by pydantic's use_attribute_docstrings, which would slow every start down.
    """

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        result = super().model_schema(schema)
        cls: type[BaseModel] = schema["cls"]
        described = [base for base in reversed(cls.__mro__) if issubclass(base, BaseModel) and base is not BaseModel]
        for name, text in (each for base in described for each in _attribute_docstrings(base)):
            if name in cls.model_fields:
                result["properties"][cls.model_fields[name].alias or name]["description"] = text
        return result

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if isinstance(self.get_default_value(schema), str | int | float | Enum):
            return super().default_schema(schema)
        # The operator fills lists and structures in by itself: written into every object they would only be noise.
        return self.generate_inner(schema["schema"])

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        cls: type[Enum] = schema["cls"]
        if cls in OPEN_ENUMS:
            return {"type": "string", "minLength": 1, "maxLength": 316, "pattern": _CONDITION_WORD}
        result = super().enum_schema(schema)
        # Pydantic replaces a description set here.
        result[_MEMBERS] = [f"`{cls[name].value}`: {reflow(text)}" for name, text in _attribute_docstrings(cls)]
        return result


def _attribute_docstrings(cls: type) -> Iterator[tuple[str, str]]:
    """Names assigned in a class body, with the string literal that follows each."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101  the source of a class is a class
    for statement, following in pairwise(definition.body):
        match statement, following:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, text


def _structural(node: Schema, definitions: dict[str, Schema], defaults: bool) -> Schema:
    node = _inline(node, definitions)
    if forbidden := {"anyOf", "oneOf", "allOf", "not", "const", "prefixItems"} & node.keys():
        raise NotStructuralError(f"{node.get('title', 'a schema')} uses {', '.join(sorted(forbidden))}")
    node.pop("title", None)
    if not defaults:
        node.pop("default", None)
    if "description" in node:
        node["description"] = " ".join([reflow(node["description"]), *node.pop(_MEMBERS, [])])
    for bound in ("Minimum", "Maximum"):
        if (limit := node.get(f"exclusive{bound}")) is not None:
            node[bound.lower()] = limit
            node[f"exclusive{bound}"] = True
    if node.get("type") == "integer":
        node["format"] = "int64"
    if "properties" in node:
        node["properties"] = {
            name: _structural(child, definitions, defaults) for name, child in node["properties"].items()
        }
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            node[key] = _structural(node[key], definitions, defaults)
    return {key: node[key] for key in sorted(node, key=_KEY_ORDER.index)}


def _inline(node: Schema, definitions: dict[str, Schema]) -> Schema:
    if "$ref" not in node:
        return dict(node)
    target = definitions[node["$ref"].removeprefix("#/$defs/")]
    here = {key: value for key, value in node.items() if key != "$ref"}
    merged = {**target, **here}
    for key, join in (("description", "\n\n".join), (VALIDATIONS, _concatenate)):
        if parts := [part[key] for part in (here, target) if key in part]:
            merged[key] = join(parts)
    return merged


def _concatenate(parts: list[list[Schema]]) -> list[Schema]:
    return [rule for part in parts for rule in part]
