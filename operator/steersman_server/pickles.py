"""Which files of a model are pickles. Loading a pickle runs whatever code its author put into it."""

import pickletools
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".p"})
_EXAMINED = 4096
_ENOUGH_OPCODES = 8
"""So many valid opcodes after the header are no accident."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A file that is, or holds, a pickle."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path} ({self.why})"


def find(directory: Path) -> list[Finding]:
    """The pickles among the files below `directory`, by name, by content and by what the MLmodel file says."""
    found = {finding.path: finding for finding in _in_files(directory)}
    for finding in _in_mlmodel(directory / "MLmodel"):
        found.setdefault(finding.path, finding)
    return list(found.values())


def _in_files(directory: Path) -> Iterator[Finding]:
    for path in sorted(directory.rglob("*")):
        if path.is_file() and (why := _why(path)):
            yield Finding(str(path.relative_to(directory)), why)


def _why(path: Path) -> str | None:
    if path.suffix.lower() in SUFFIXES:
        return "its name is a pickle's"
    with path.open("rb") as file:
        start = file.read(_EXAMINED)
    if _is_pickle(start, path.stat().st_size):
        return "its content is a pickle's"
    if start.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(path) as archive:
                inner = next((n for n in archive.namelist() if Path(n).suffix.lower() in SUFFIXES), None)
        except zipfile.BadZipFile:
            return None
        return f"a PyTorch or zip file with the pickle {inner}" if inner else None
    return None


def _is_pickle(start: bytes, size: int) -> bool:
    """Protocols 2 and later, which begin with their number; the older ones cannot be told from text."""
    if len(start) < 2 or start[0] != 0x80 or not 2 <= start[1] <= 5:
        return False
    if start[1] >= 4 and start[2:3] == b"\x95" and len(start) > 11:
        return int.from_bytes(start[3:11], "little") <= size
    seen = 0
    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes in what is no text
            for opcode, _, position in pickletools.genops(start):
                seen += 1
                if opcode.name == "STOP":  # the end, or another pickle, as in PyTorch's older files
                    after = start[(position or 0) + 1 : (position or 0) + 2]
                    return after in (b"", b"\x80")
                if seen > _ENOUGH_OPCODES:
                    return True
    except Exception:  # what is no pickle fails in many ways, and so does one that goes on beyond what was read
        return len(start) == _EXAMINED and seen > 2
    return False


def _in_mlmodel(file: Path) -> Iterator[Finding]:
    """What the flavors load by pickle, whatever their files are called."""
    import yaml

    try:
        flavors: dict[str, Any] = yaml.safe_load(file.read_text()).get("flavors") or {}
    except (OSError, ValueError, AttributeError, yaml.YAMLError):
        return
    for name, flavor in flavors.items():
        if not isinstance(flavor, dict):
            continue
        kind = flavor.get("serialization_format")
        if kind in {"pickle", "cloudpickle", "joblib"}:
            yield Finding(str(flavor.get("pickled_model") or flavor.get("model_path") or "MLmodel"), f"{name}: {kind}")
        if name == "python_function" and flavor.get("python_model"):
            yield Finding(str(flavor["python_model"]), "python_function: cloudpickle")
