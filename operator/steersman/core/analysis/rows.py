"""Find one series in an answer that many rollouts share: each answer is indexed once, not searched by each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from steersman.core.analysis.model import Sample

_Index = Mapping[tuple[str | None, ...], Sample]


class _Same:
    """A sequence that equals itself only: an answer with thousands of rows is not to be compared."""

    __slots__ = ("samples",)

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples

    def __hash__(self) -> int:
        return id(self.samples)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.samples is self.samples


def find(samples: Sequence[Sample], labels: Mapping[str, str]) -> Sample | None:
    """The first sample that has all of these labels; of no labels, the first that has none either."""
    if not labels:
        return _bare(_Same(samples))
    names = tuple(sorted(labels))
    return _index(_Same(samples), names).get(tuple(labels[name] for name in names))


def find_all(samples: Sequence[Sample], labels: Mapping[str, str]) -> Sequence[Sample]:
    """All samples that have all of these labels, whatever others they have, in their order."""
    names = tuple(sorted(labels))
    return _groups(_Same(samples), names).get(tuple(labels[name] for name in names), ())


@lru_cache(maxsize=64)
def _groups(same: _Same, names: tuple[str, ...]) -> Mapping[tuple[str | None, ...], Sequence[Sample]]:
    groups: dict[tuple[str | None, ...], list[Sample]] = {}
    for sample in same.samples:
        groups.setdefault(tuple(sample.labels.get(name) for name in names), []).append(sample)
    return groups


@lru_cache(maxsize=64)
def _index(same: _Same, names: tuple[str, ...]) -> _Index:
    # The kept key holds the answer, so that its id cannot become another's while it is here.
    index: dict[tuple[str | None, ...], Sample] = {}
    for sample in same.samples:
        index.setdefault(tuple(sample.labels.get(name) for name in names), sample)
    return index


@lru_cache(maxsize=64)
def _bare(same: _Same) -> Sample | None:
    return next((sample for sample in same.samples if not sample.labels), None)
