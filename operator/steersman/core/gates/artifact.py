"""Gates on what is in the version's artifact: example, digest, flavor, Python, dependencies."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from steersman.api.gates import DependencyGate, DigestGate, FlavorGate, PythonGate
from steersman.core.gates.facts import Missing, ModelFile, Unknown, VersionFacts
from steersman.core.gates.finding import Finding
from steersman.core.gates.words import listed, quoted

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_LONGEST_LINE = 1000
"""Characters of a requirement."""


def input_example(facts: VersionFacts) -> Finding:
    """There is one."""
    expected = "an input example"
    if not isinstance(facts.model_file, ModelFile):
        return Finding.without(facts.model_file, expected)
    if not facts.model_file.has_input_example:
        return Finding.without(Missing("the version was logged without an input example"), expected)
    return Finding.of(True, expected, "an input example")


def digest(gate: DigestGate, facts: VersionFacts) -> Finding:
    """The file's SHA-256 is the expected one."""
    path = quoted(gate.path)
    wanted = gate.sha256
    if gate.tag is not None:
        written = facts.tags.get(gate.tag)
        said = f"{path} with the SHA-256 of the version's tag {quoted(gate.tag)}"
        if written is None:
            return Finding.without(Missing(f"the version has no tag {quoted(gate.tag)!r}"), said)
        match = _SHA256.fullmatch(written.strip().lower())
        if match is None:
            return Finding.of(False, said, quoted(written), "the tag's value is not a SHA-256 in hexadecimal")
        wanted = match[1]
    expected = f"{path} with SHA-256 {wanted}"
    found = facts.digests.get(gate.path, Unknown("the file was not read"))
    if isinstance(found, Missing | Unknown):
        return Finding.without(found, expected)
    return Finding.of(found == wanted, expected, found)


def flavor(gate: FlavorGate, facts: VersionFacts) -> Finding:
    """One of the flavors is there."""
    expected = f"flavor {' or '.join(quoted(each) for each in gate.one_of)}"
    if not isinstance(facts.model_file, ModelFile):
        return Finding.without(facts.model_file, expected)
    there = facts.model_file.flavors
    return Finding.of(not set(there).isdisjoint(gate.one_of), expected, listed(there) or "none")


def python(gate: PythonGate, facts: VersionFacts) -> Finding:
    """Made with such a Python."""
    expected = f"Python {quoted(gate.versions)}"
    if isinstance(facts.python_version, Missing | Unknown):
        return Finding.without(facts.python_version, expected)
    return _matches(gate.versions, facts.python_version, expected)


def dependency(gate: DependencyGate, facts: VersionFacts) -> Finding:
    """Pinned to such a version."""
    expected = f"{quoted(gate.name)} {quoted(gate.specifier)}"
    if isinstance(facts.requirements, Missing | Unknown):
        return Finding.without(facts.requirements, expected)
    lines = list(_of(gate.name, facts.requirements))
    if not lines:
        return Finding.without(Missing(f"requirements.txt does not name {quoted(gate.name)}"), expected)
    pins = {pin for requirement in lines if (pin := _pin(requirement)) is not None}
    found = listed(sorted(str(requirement) for requirement in lines))
    if len(pins) != 1 or any(_pin(requirement) is None for requirement in lines):
        return Finding.of(False, expected, found, "it is not pinned to one version (==)")
    return _matches(gate.specifier, pins.pop(), expected)


def _matches(specifier: str, version: str, expected: str) -> Finding:
    try:
        parsed = Version(version)
    except InvalidVersion:
        return Finding.of(False, expected, quoted(version), "it does not read as a version (PEP 440)")
    # 1.5.0+cu121 is 1.5.0 for everybody who asks for >=1.5, which packaging knows; pre-releases stay out.
    return Finding.of(SpecifierSet(specifier).contains(parsed), expected, quoted(version))


def _of(name: str, lines: tuple[str, ...]) -> Iterator[Requirement]:
    wanted = canonicalize_name(name)
    for line in lines:
        text = re.split(r"\s#|\s--", line, maxsplit=1)[0].strip()
        if not text or text[0] in "#-" or len(text) > _LONGEST_LINE:
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) == wanted:
            yield requirement


def _pin(requirement: Requirement) -> str | None:
    pinned = [each.version for each in requirement.specifier if each.operator in ("==", "===")]
    return pinned[0] if len(pinned) == 1 and "*" not in pinned[0] else None
