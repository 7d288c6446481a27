"""Archives from somewhere else: only plain files, only inside the folder, and no more than the limits."""

import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.stores.order import Budget, Order, inside

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
ZIP_SUFFIXES = (".zip",)
UNKNOWN_SUFFIXES = (".tar.zst", ".tzst", ".7z", ".rar")

RATIO, UNJUDGED = 200, 1024**3
"""An archive that unpacks to more than this many times its size, and to more than so many bytes, is taken for a bomb."""
_PIECE = 1024 * 1024


def deliver(file: Path, name: str, order: Order) -> Path:
    """Make the downloaded `file` the content of the order's destination: unpacked if `name` says that it is an archive.

    An archive with a single folder, which holds an MLmodel file, stands for that folder. Raises FetchError.
    """
    lower = name.lower()
    if lower.endswith(UNKNOWN_SUFFIXES):
        raise FetchError(Reason.UNSUPPORTED, f"{name} is packed in a way that is not known here: use .tar.gz or .zip")
    if not lower.endswith(TAR_SUFFIXES + ZIP_SUFFIXES):
        shutil.move(file, inside(order.destination, name))
        return order.destination
    unpack(file, order.destination, order.budget, zipped=lower.endswith(ZIP_SUFFIXES))
    file.unlink()
    return single_folder(order.destination)


def single_folder(directory: Path) -> Path:
    """Return the only folder of `directory` if it is all there is and an MLflow model, else `directory`."""
    entries = list(directory.iterdir())
    return entries[0] if len(entries) == 1 and (entries[0] / "MLmodel").is_file() else directory


def unpack(archive: Path, destination: Path, budget: Budget, zipped: bool = False) -> None:
    """Unpack a tar (packed or not) or zip archive. Raises FetchError: unsafe, too large or broken."""
    most = max(UNJUDGED, RATIO * archive.stat().st_size) + budget.bytes
    limited = _Limited(budget, most)
    try:
        if zipped:
            with zipfile.ZipFile(archive) as opened:
                _write(_zip_members(opened), destination, limited)
        else:
            with tarfile.open(archive, "r:*") as tar:
                _write(_tar_members(tar), destination, limited)
                # To the end, for there is the checksum of what was packed.
                while tar.fileobj is not None and (piece := tar.fileobj.read(_PIECE)):
                    limited.add(len(piece))
    # A damaged archive is noticed in as many ways as there are formats.
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise FetchError(Reason.UNSAFE, f"the archive is broken: {error}") from error
    except OSError as error:
        # Without a number it is gzip's own; the others come of one name for a file and a folder.
        if error.errno is None or isinstance(error, FileExistsError | IsADirectoryError | NotADirectoryError):
            raise FetchError(Reason.UNSAFE, f"the archive is broken: {error}") from error
        raise
    except Exception as error:
        if type(error).__module__ in {"zlib", "lzma", "_lzma"}:
            raise FetchError(Reason.UNSAFE, f"the archive is broken: {error}") from error
        raise


@dataclass(slots=True)
class _Limited:
    budget: Budget
    most: int

    def add(self, count: int) -> None:
        self.budget.add_bytes(count)
        if self.budget.bytes > self.most:
            raise FetchError(Reason.TOO_LARGE, f"the archive unpacks to more than {RATIO} times its size")


@dataclass(slots=True)
class _Member:
    name: str
    content: IO[bytes] | None = None
    """Of a file."""
    link: str | None = None
    """Path inside the archive that it links to."""


def _write(members: Iterator[_Member], destination: Path, limited: _Limited) -> None:
    """Links are made when all is there, as further names of the same files: while unpacking there is none to follow."""
    links: dict[str, str] = {}
    for member in members:
        limited.budget.add_file()
        if not PurePosixPath(member.name).parts:  # "./"
            continue
        path = inside(destination, member.name)
        if member.link is not None:
            links[member.name] = member.link
        elif member.content is None:
            path.mkdir(exist_ok=True)
        else:
            path.unlink(missing_ok=True)
            with member.content, path.open("xb") as file:
                while piece := member.content.read(_PIECE):
                    limited.add(len(piece))
                    file.write(piece)
    for name, link in links.items():
        _link(destination, name, link, links)


def _link(destination: Path, name: str, link: str, links: dict[str, str]) -> None:
    for _ in range(10):  # links to links
        if link not in links:
            break
        link = links[link]
    target = inside(destination, link)
    if not target.is_file():
        raise FetchError(Reason.UNSAFE, f"the link {name[:200]!r} leads to no file of the archive")
    path = inside(destination, name)
    path.unlink(missing_ok=True)
    try:
        os.link(target, path)
    except OSError:  # a file system without hard links
        shutil.copyfile(target, path)


def _tar_members(tar: tarfile.TarFile) -> Iterator[_Member]:
    for info in tar:
        if PurePosixPath(info.name).name.startswith(".wh."):
            raise FetchError(Reason.UNSUPPORTED, "it is an image in which a layer deletes files, not an artifact")
        if info.isdir():
            yield _Member(info.name)
        elif info.isreg():
            yield _Member(info.name, tar.extractfile(info))
        elif info.islnk():
            yield _Member(info.name, link=os.path.normpath(info.linkname))
        elif info.issym():
            yield _Member(info.name, link=_relative(info.name, info.linkname))
        else:
            raise FetchError(Reason.UNSAFE, f"{info.name[:200]!r} is neither a file nor a folder")


def _relative(name: str, link: str) -> str:
    return os.path.normpath(PurePosixPath(name).parent / link)


def _link_in(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    with opened.open(info) as content:
        return content.read(4096).decode()


def _zip_members(opened: zipfile.ZipFile) -> Iterator[_Member]:
    for info in opened.infolist():
        kind = (info.external_attr >> 16) & 0o170000
        if info.is_dir():
            yield _Member(info.filename)
        elif kind == 0o120000:
            yield _Member(info.filename, link=_relative(info.filename, _link_in(opened, info)))
        elif kind in {0, 0o100000}:
            yield _Member(info.filename, opened.open(info))
        else:
            raise FetchError(Reason.UNSAFE, f"{info.filename[:200]!r} is neither a file nor a folder")
