"""Whether the clients of one version can go on with another, as MLflow enforces signatures when it serves.

Of inputs the old version's are what is sent, and the new one's what is taken; of outputs it is the other way round. What is
taken must be sent, and have a type that can be taken; what is sent beside that is left out (MLflow drops columns that it does
not know, but refuses unknown properties of an object).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from steersman.core.gates.signature import Array, Field, Map, Object, Param, Scalar, Signature, Tensor, Type, described
from steersman.core.gates.words import quoted

ANY: Final = "any"
_WIDENING: Final = {("integer", "long"), ("integer", "double"), ("float", "double")}
"""Types that MLflow casts because nothing is lost. Not long to double, which loses digits."""


def differences(stable: Signature, candidate: Signature, *, outputs: bool = True) -> list[str]:
    """What clients of stable would run into, in words; empty when nothing. What stable does not declare binds nobody."""
    found: list[str] = []
    if stable.inputs is not None and candidate.inputs is not None:
        found += _Comparison(inputs=True).compare(stable.inputs, candidate.inputs)
    if outputs and stable.outputs is not None:
        if candidate.outputs is None:
            found.append("no outputs are declared any more")
        else:
            found += _Comparison(inputs=False).compare(candidate.outputs, stable.outputs)
    return found + list(_params(stable.params, candidate.params))


def _params(before: Sequence[Param], now: Sequence[Param]) -> Iterator[str]:
    known = {param.name: param for param in now}
    for old in before:
        new = known.get(old.name)
        if new is None:
            # MLflow would leave it out with a warning that no client sees.
            yield f"parameter {quoted(old.name)!r} is gone"
        elif (new.type, new.shape) != (old.type, old.shape):
            yield f"parameter {quoted(old.name)!r} is {_param_type(new)} now, and was {_param_type(old)}"


def _param_type(param: Param) -> str:
    return quoted(param.type, 40) if param.shape is None else f"{quoted(param.type, 40)} of shape {list(param.shape)}"


@dataclass(frozen=True)
class _Comparison:
    """Of inputs, or of outputs."""

    inputs: bool

    @property
    def word(self) -> str:
        return "input" if self.inputs else "output"

    def compare(self, sent: Sequence[Field], taken: Sequence[Field]) -> Iterator[str]:
        by_name = _named(sent)
        if sent and taken and by_name != _named(taken):
            old, new = ("by name", "by place") if by_name == self.inputs else ("by place", "by name")
            yield f"{self.word}s are told apart {new} now, and were {old}"
        elif by_name or _named(taken):
            yield from self.fields(sent, taken, "")
        else:
            for place, (old_field, new_field) in enumerate(zip_longest(sent, taken), 1):
                if new_field is not None:
                    yield from self.field(f"{self.word} number {place}", old_field, new_field, f"{place}.")

    def fields(self, sent: Sequence[Field], taken: Sequence[Field], path: str) -> Iterator[str]:
        known = {each.name: each for each in sent}
        for each in taken:
            name = f"{path}{quoted(each.name, 100)}"
            yield from self.field(f"{self.word} {name!r}", known.get(each.name), each, f"{name}.")

    def field(self, what: str, sent: Field | None, taken: Field, path: str) -> Iterator[str]:
        if sent is None:
            if taken.required:
                said = "is new and required" if self.inputs else "is gone"
                yield f"{what} ({described(taken.type)}) {said}"
            return
        if taken.required and not sent.required:
            yield f"{what} is {'required now, and was optional' if self.inputs else 'optional now, and was required'}"
        yield from self.types(what, sent.type, taken.type, path)

    def types(self, what: str, sent: Type, taken: Type, path: str) -> Iterator[str]:
        match sent, taken:
            case _, Scalar(name) if name == ANY:
                return
            case Scalar(old), Scalar(new) if old == new or (self.inputs and (old, new) in _WIDENING):
                return
            case (Array(had), Array(has)) | (Map(had), Map(has)):
                yield from self.types(f"each item of {what}", had, has, path)
            case Object(had_properties), Object(has_properties):
                yield from self.fields(had_properties, has_properties, path)
                if self.inputs:
                    kept = {each.name for each in has_properties}
                    gone = [each.name for each in had_properties if each.name not in kept]
                    yield from (f"input {path + quoted(name, 100)!r} is gone" for name in gone)
            case Tensor(), Tensor() if sent.dtype == taken.dtype and _fits(sent.shape, taken.shape):
                return
            case _:
                now, before = (taken, sent) if self.inputs else (sent, taken)
                yield f"{what} is {described(now)} now, and was {described(before)}"


def _named(fields: Sequence[Field]) -> bool:
    return any(each.name is not None for each in fields)


def _fits(sent: Sequence[int], taken: Sequence[int]) -> bool:
    """Whether every array of the one shape has the other: as many dimensions, and each of any size or of the same."""
    return len(sent) == len(taken) and all(new in (-1, old) for old, new in zip(sent, taken, strict=True))
