"""Signatures: read as MLflow writes them, and compared with the exact difference in words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.types import ParamSchema, ParamSpec
from mlflow.types.schema import Array, ColSpec, Map, Object, Property, Schema, TensorSpec
from numpy import dtype

from steersman.api.gate_status import GatePhase
from steersman.core.gates import Missing, ModelFile, Unknown
from steersman.core.gates.compatibility import differences
from steersman.core.gates.signature import SignatureError, parse_signature
from unit.gates.facts_samples import facts, result


def columns(*written: ColSpec) -> str:
    return str(Schema(list(written)).to_json())


def tensors(*written: TensorSpec) -> str:
    return str(Schema(list(written)).to_json())


def told(stable: str, candidate: str, side: str = "inputs") -> list[str]:
    return differences(parse_signature({side: stable}), parse_signature({side: candidate}))


A, B = ColSpec("double", "a"), ColSpec("string", "b")
OPTIONAL = ColSpec("string", "b", required=False)
NESTED = ColSpec(Object([Property("x", "double"), Property("y", Array("long"), required=False)]), "o")
IMAGE = TensorSpec(dtype("float32"), (-1, 28, 28), "image")

INPUTS: list[tuple[str, list[Any], list[Any], list[str]]] = [
    ("same", [A, B], [A, B], []),
    ("in another order", [A, B], [B, A], []),
    ("added", [A], [A, B], ["input 'b' (string) is new and required"]),
    ("added, optional", [A], [A, OPTIONAL], []),
    ("no longer optional", [A, OPTIONAL], [A, B], ["input 'b' is required now, and was optional"]),
    ("optional now", [A, B], [A, OPTIONAL], []),
    ("removed", [A, B], [A], []),
    ("changed", [A], [ColSpec("string", "a")], ["input 'a' is string now, and was double"]),
    ("wider", [ColSpec("integer", "a")], [ColSpec("long", "a")], []),
    ("narrower", [ColSpec("long", "a")], [ColSpec("integer", "a")], ["input 'a' is integer now, and was long"]),
    ("loses digits", [ColSpec("long", "a")], [A], ["input 'a' is double now, and was long"]),
    (
        "a list now",
        [A],
        [ColSpec(Array("double"), "a")],
        ["input 'a' is array of double now, and was double"],
    ),
    (
        "other items",
        [ColSpec(Array("long"), "a")],
        [ColSpec(Array("string"), "a")],
        ["each item of input 'a' is string now, and was long"],
    ),
    (
        "other values",
        [ColSpec(Map("long"), "m")],
        [ColSpec(Map("boolean"), "m")],
        ["each item of input 'm' is boolean now, and was long"],
    ),
    (
        "inside an object",
        [NESTED],
        [ColSpec(Object([Property("y", Array("double"), required=False), Property("z", "long")]), "o")],
        [
            "each item of input 'o.y' is double now, and was long",
            "input 'o.z' (long) is new and required",
            "input 'o.x' is gone",
        ],
    ),
    ("unnamed", [ColSpec("double"), ColSpec("long")], [ColSpec("double")], []),
    (
        "one more unnamed",
        [ColSpec("double")],
        [ColSpec("double"), ColSpec("long")],
        ["input number 2 (long) is new and required"],
    ),
    ("named now", [ColSpec("double")], [A], ["inputs are told apart by name now, and were by place"]),
    ("a tensor now", [A], [IMAGE], ["input 'image' (tensor of float32 [?, 28, 28]) is new and required"]),
    ("same tensor", [IMAGE], [IMAGE], []),
    ("a freer shape", [IMAGE], [TensorSpec(dtype("float32"), (-1, -1, 28), "image")], []),
    (
        "a stricter shape",
        [IMAGE],
        [TensorSpec(dtype("float32"), (1, 28, 28), "image")],
        ["input 'image' is tensor of float32 [1, 28, 28] now, and was tensor of float32 [?, 28, 28]"],
    ),
    (
        "another dtype",
        [IMAGE],
        [TensorSpec(dtype("float64"), (-1, 28, 28), "image")],
        ["input 'image' is tensor of float64 [?, 28, 28] now, and was tensor of float32 [?, 28, 28]"],
    ),
]


@pytest.mark.parametrize(
    ("stable", "candidate", "said"), [case[1:] for case in INPUTS], ids=[case[0] for case in INPUTS]
)
def test_inputs(stable: list[Any], candidate: list[Any], said: list[str]) -> None:
    assert told(columns(*stable), columns(*candidate)) == said


@pytest.mark.parametrize(
    ("stable", "candidate", "said"),
    [
        ([A], [A, B], []),
        ([A, B], [A], ["output 'b' (string) is gone"]),
        ([A, B], [A, OPTIONAL], ["output 'b' is optional now, and was required"]),
        ([ColSpec("integer", "a")], [ColSpec("long", "a")], ["output 'a' is long now, and was integer"]),
        ([ColSpec("double")], [A], ["outputs are told apart by name now, and were by place"]),
        ([IMAGE], [TensorSpec(dtype("float32"), (1, 28, 28), "image")], []),
    ],
)
def test_outputs(stable: list[Any], candidate: list[Any], said: list[str]) -> None:
    assert told(columns(*stable), columns(*candidate), "outputs") == said


def test_parameters_and_what_is_not_declared() -> None:
    def of(*params: ParamSpec) -> dict[str, Any]:
        return {"params": ParamSchema(list(params)).to_json()}

    stable = of(ParamSpec("t", "double", 0.5), ParamSpec("k", "long", 1), ParamSpec("w", "long", [1], (-1,)))
    candidate = of(ParamSpec("t", "string", "x"), ParamSpec("w", "long", 1), ParamSpec("new", "long", 1))
    assert differences(parse_signature(stable), parse_signature(candidate)) == [
        "parameter 't' is string now, and was double",
        "parameter 'k' is gone",
        "parameter 'w' is long now, and was long of shape [-1]",
    ]
    inputs = {"inputs": columns(A), "outputs": columns(B)}
    assert differences(parse_signature({}), parse_signature(inputs)) == []
    assert differences(parse_signature(inputs), parse_signature({"inputs": columns(A)})) == [
        "no outputs are declared any more"
    ]
    assert differences(parse_signature(inputs), parse_signature({"inputs": columns(A)}), outputs=False) == []


def deep(levels: int) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": "long"}
    for _ in range(levels):
        kind = {"type": "array", "items": kind}
    return {**kind, "name": "a"}


@pytest.mark.parametrize(
    "inputs",
    [
        "{",
        "{}",
        "[1]",
        "[{}]",
        '[{"type": 1}]',
        '[{"type": "long", "name": []}]',
        '[{"type": "long", "name": "a"}, {"type": "long"}]',
        '[{"type": "long", "name": "a"}, {"type": "long", "name": "a"}]',
        '[{"type": "tensor"}]',
        '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": "all"}}]',
        '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [true]}}]',
        '[{"type": "object", "properties": [1]}]',
        '[{"type": "object", "properties": {"a": 1}}]',
        json.dumps([deep(100)]),
        "[" * 100_000,
        5,
    ],
)
def test_what_is_no_signature_is_refused(inputs: Any) -> None:
    with pytest.raises(SignatureError):
        parse_signature({"inputs": inputs})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "name", "items", "properties"]), inner),
)


@given(st.dictionaries(st.sampled_from(["inputs", "outputs", "params"]), JSON.map(json.dumps) | JSON))
def test_anything_is_read_or_refused(written: dict[str, Any]) -> None:
    try:
        signature = parse_signature(written)
    except SignatureError:
        return
    assert differences(signature, signature) == []


NAMES = st.sampled_from("abc")
COLUMNS = st.lists(
    st.builds(ColSpec, st.sampled_from(["integer", "long", "double", "string"]), NAMES, required=st.booleans()),
    unique_by=lambda column: column.name,
    min_size=1,
)


@given(COLUMNS, COLUMNS, COLUMNS)
def test_what_suits_clients_of_each_step_suits_them_over_both(one: Any, two: Any, three: Any) -> None:
    # Only where no column is dropped and comes back with another type.
    kept = {column.name for column in one} <= {column.name for column in two}
    if kept and not told(columns(*one), columns(*two)) and not told(columns(*two), columns(*three)):
        assert told(columns(*one), columns(*three)) == []


def test_the_gate() -> None:
    def version(signature: Any) -> Any:
        return facts(model_file=ModelFile(signature=signature))

    stable, wider = parse_signature({"inputs": columns(A)}), parse_signature({"inputs": columns(A, B)})
    gate: dict[str, Any] = {"signature": {}}
    assert result(gate, version(stable), version(stable)).phase is GatePhase.PASS
    came = result(gate, version(wider), version(stable))
    assert (came.phase.value, came.found) == ("Fail", "2 inputs")
    assert came.message == "input 'b' (string) is new and required"
    assert result(gate, version(wider)).message == "there is no stable version to compare with"
    none = Missing("the version was logged without a signature")
    assert result(gate, version(none), version(stable)).phase is GatePhase.FAIL
    assert result(gate, version(stable), version(none)).phase is GatePhase.PASS
    assert result(gate, version(stable), version(Unknown("odd"))).phase is GatePhase.ERROR
    assert result(gate, version(Unknown("odd")), version(stable)).phase is GatePhase.ERROR
    assert result(gate, version(stable), facts(model_file=Missing("no MLmodel"))).phase is GatePhase.ERROR
    assert result(gate, version(stable), Unknown("down")).phase is GatePhase.ERROR
