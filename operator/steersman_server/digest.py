"""``python -m steersman_server.digest PATH``: the SHA-256 that MODEL_SHA256 takes for a file or a directory.

A directory's is the digest of what ``sha256sum`` prints for its files, sorted by name::

    cd model && find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
"""

import hashlib
import os
import sys
from pathlib import Path

from steersman_server.fetch_errors import FetchError, Reason

SOURCE_FILE = ".steersman-source"
"""File in the fetched model: the SHA-256 of its URI, which may itself hold credentials."""
NOT_OF_THE_MODEL = frozenset({SOURCE_FILE, "registered_model_meta"})
"""Files at the top that fetching adds: ours, and MLflow's for a ``models:/`` URI."""


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_digest(directory: Path) -> str:
    """Return the SHA-256 of the list of the directory's files and their digests."""
    names = sorted(os.fsencode(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())
    whole = hashlib.sha256()
    for name in names:
        if os.fsdecode(name) not in NOT_OF_THE_MODEL:
            whole.update(f"{file_digest(directory / os.fsdecode(name))}  ".encode() + name + b"\n")
    return whole.hexdigest()


def check(expected: str, found: str, what: str) -> None:
    """Compare digests; an empty `expected` is none. Raises FetchError: they differ."""
    if expected and expected != found:
        raise FetchError(Reason.DIGEST, f"the SHA-256 of {what} is {found}, expected {expected}")


def main() -> int:
    """Print the digest of the path that is the only argument."""
    if len(sys.argv) != 2 or not (path := Path(sys.argv[1])).exists():
        sys.stderr.write("usage: python -m steersman_server.digest FILE|DIRECTORY\n")
        return 2
    sys.stdout.write((tree_digest(path) if path.is_dir() else file_digest(path)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
