"""Signatures of models as the MLmodel file writes them: https://mlflow.org/docs/latest/ml/model/signatures/

Three JSON texts: inputs and outputs are lists of columns or of tensors, params a list of parameters with defaults.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from steersman.core.gates.words import quoted

MAX_DEPTH: Final = 16
"""Levels of arrays, maps and objects inside a column."""
MAX_FIELDS: Final = 20_000
"""Columns, tensors or parameters of one list."""


@dataclass(frozen=True)
class Scalar:
    """One of MLflow's data types, such as double, or `any`."""

    name: str


@dataclass(frozen=True)
class Array:
    """A list of items of one type."""

    items: Type


@dataclass(frozen=True)
class Map:
    """Any keys, and values of one type."""

    values: Type


@dataclass(frozen=True)
class Object:
    """Named properties."""

    properties: tuple[Field, ...]


@dataclass(frozen=True)
class Tensor:
    """An array of numpy's; -1 in a shape is any size."""

    dtype: str
    shape: tuple[int, ...]


Type = Scalar | Array | Map | Object | Tensor


@dataclass(frozen=True)
class Field:
    """A column, tensor or property; those without a name are told by their place."""

    name: str | None
    type: Type
    required: bool = True


@dataclass(frozen=True)
class Param:
    """A parameter of inference; each has a default, so that none must be given."""

    name: str
    type: str
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives; None where nothing is said."""

    inputs: tuple[Field, ...] | None = None
    outputs: tuple[Field, ...] | None = None
    params: tuple[Param, ...] = ()


class SignatureError(ValueError):
    """It does not read as a signature; the message says where."""


def parse_signature(written: Mapping[str, Any]) -> Signature:
    """The signature of an MLmodel file. Raises SignatureError."""
    return Signature(
        inputs=_fields(written, "inputs"),
        outputs=_fields(written, "outputs"),
        params=tuple(_param(each) for each in _list(written, "params") or ()),
    )


def _list(written: Mapping[str, Any], part: str) -> list[dict[str, Any]] | None:
    text = written.get(part)
    if text is None:
        return None
    try:
        entries = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        raise SignatureError(f"the signature's {part} are not JSON") from None
    if entries is None:
        return None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SignatureError(f"the signature's {part} are not a list of objects")
    if len(entries) > MAX_FIELDS:
        raise SignatureError(f"the signature has more than {MAX_FIELDS} {part}")
    return entries


def _fields(written: Mapping[str, Any], part: str) -> tuple[Field, ...] | None:
    entries = _list(written, part)
    if entries is None:
        return None
    fields = tuple(_field(entry, part) for entry in entries)
    names = [field.name for field in fields if field.name is not None]
    if len(set(names)) != len(names) or (names and len(names) != len(fields)):
        raise SignatureError(f"the signature's {part} are named twice, or some have names and others have none")
    return fields


def _field(entry: dict[str, Any], where: str) -> Field:
    name = entry.get("name")
    if name is not None and not isinstance(name, str | int):
        raise SignatureError(f"a name in the signature's {where} is not text")
    # Earlier MLflow wrote `optional` where it writes `required` now.
    required = bool(entry["required"]) if "required" in entry else not entry.get("optional", False)
    return Field(None if name is None else str(name), _type(entry, where, 0), required)


def _type(entry: Any, where: str, depth: int) -> Type:
    if depth > MAX_DEPTH:
        raise SignatureError(f"the signature's {where} are nested more than {MAX_DEPTH} levels deep")
    name = entry.get("type") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise SignatureError(f"a type in the signature's {where} is missing")
    if name == "tensor":
        return _tensor(entry.get("tensor-spec"), where)
    if name == "array":
        return Array(_type(entry.get("items"), where, depth + 1))
    if name == "map":
        return Map(_type(entry.get("values"), where, depth + 1))
    if name == "object":
        properties = entry.get("properties")
        if not isinstance(properties, dict):
            raise SignatureError(f"an object in the signature's {where} has no properties")
        return Object(
            tuple(
                Field(str(key), _type(value, where, depth + 1), bool(value.get("required", True)))
                for key, value in properties.items()
            )
        )
    return Scalar(name)


def _tensor(spec: Any, where: str) -> Tensor:
    if not isinstance(spec, dict) or not isinstance(spec.get("dtype"), str):
        raise SignatureError(f"a tensor in the signature's {where} has no dtype")
    shape = _shape(spec.get("shape"))
    if shape is None:
        raise SignatureError(f"a tensor in the signature's {where} has no shape")
    return Tensor(spec["dtype"], shape)


def _shape(written: Any) -> tuple[int, ...] | None:
    if not isinstance(written, list) or not all(type(size) is int for size in written):
        return None
    return tuple(written)


def _param(entry: dict[str, Any]) -> Param:
    name, kind = entry.get("name"), entry.get("type", entry.get("dtype"))
    if not isinstance(name, str) or not isinstance(kind, str):
        raise SignatureError("a parameter of the signature has no name or no type")
    if kind == "object":
        kind = described(_type(entry, "params", 0))
    return Param(name, kind, _shape(entry.get("shape")))


def described(kind: Type) -> str:
    """A type in words: `array of long`, `object`, `tensor of float32 [?, 3]`."""
    match kind:
        case Scalar(name):
            return quoted(name, 40)
        case Array(items):
            return f"array of {described(items)}"
        case Map(values):
            return f"map of {described(values)}"
        case Object(properties):
            return f"object of {', '.join(quoted(each.name, 40) for each in properties[:5])}"
        case Tensor(dtype, shape):
            return f"tensor of {quoted(dtype, 40)} {dimensions(shape)}"


def dimensions(shape: tuple[int, ...]) -> str:
    """A shape with ? for any size."""
    return "[" + ", ".join("?" if size == -1 else str(size) for size in shape) + "]"
