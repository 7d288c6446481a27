"""What is to be downloaded, and the limits on it."""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from steersman_server.fetch_errors import FetchError, Reason

MAX_BYTES = 200 * 1024**3
MAX_FILES = 100_000


@dataclass(slots=True)
class Budget:
    """How much may still be written; an archive or a bucket must not fill the node's disk."""

    max_bytes: int = MAX_BYTES
    max_files: int = MAX_FILES
    bytes: int = 0
    files: int = 0

    def add_file(self) -> None:
        """Count one file or directory. Raises FetchError beyond the limit."""
        self.files += 1
        if self.files > self.max_files:
            raise FetchError(Reason.TOO_LARGE, f"it has more than {self.max_files} files; MODEL_MAX_FILES is the limit")

    def add_bytes(self, count: int) -> None:
        """Count bytes. Raises FetchError beyond the limit."""
        self.bytes += count
        if self.bytes > self.max_bytes:
            raise FetchError(Reason.TOO_LARGE, f"it has more than {self.max_bytes} bytes; MODEL_MAX_BYTES is the limit")


@dataclass(slots=True)
class Order:
    """A download that is to be made."""

    uri: str
    destination: Path
    """An empty directory."""
    sha256: str = ""
    """What the content has to have (see `steersman_server.digest`); empty: not checked."""
    budget: Budget = field(default_factory=Budget)


def inside(directory: Path, name: str) -> Path:
    """Return the path of the file `name` below `directory`; its own directory is made.

    Raises FetchError: the name is absolute, leads out of the directory or has control characters.
    """
    path = PurePosixPath(name)
    parts = [part for part in path.parts if part != "."]
    if path.is_absolute() or ".." in parts or not parts or "\\" in name or not name.isprintable():
        raise FetchError(
            Reason.UNSAFE, f"the file name {name[:200]!r} is refused: it could lead out of the model's folder"
        )
    target = directory.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
