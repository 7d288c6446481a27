"""A cache of downloaded models that pods share: a directory on a volume that each of them mounts.

An entry appears by a rename, whole or not at all. Of several pods that want the same one, whoever holds the entry's lock
fetches it and the others wait. While an entry is read its lock is held too (shared), so nothing that is read goes. What
a pod gets is a copy, or hard links where its own directory lies on the same mount. A lock is gone with its process.

Trouble with the cache itself is logged, and the model is then fetched as if there were none.
"""

import errno
import fcntl
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from steersman_server.digest import tree_digest
from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.fetch_settings import CacheSettings

_logger = logging.getLogger("steersman_server.fetch")

Fill = Callable[[Path], Path]
"""Downloads into an empty directory, and returns where in it the model is. Raises FetchError."""

_FILES, _ABOUT = "files", "entry.json"
_POLL = 0.1
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES}


class CacheError(Exception):
    """The cache cannot be used now; the model can still be fetched."""


class Cache:
    """The entries below one directory."""

    def __init__(self, settings: CacheSettings) -> None:
        self._settings = settings
        self._entries = settings.directory / "entries"
        self._locks = settings.directory / "locks"
        self._filling = settings.directory / "filling"

    def obtain(self, key: str, destination: Path, fill: Fill) -> Path:
        """Make `destination`, an empty directory, hold what `fill` downloads for `key`; return where the model is.

        Raises FetchError: it could not be downloaded.
        """
        try:
            self._copied(key, destination, fill)
        except (CacheError, OSError) as error:
            _logger.warning("The cache is not used", extra={"fields": {"reason": str(error)}})
            shutil.rmtree(destination)
            destination.mkdir()
            return fill(destination)
        return destination

    def _copied(self, key: str, destination: Path, fill: Fill) -> None:
        for directory in (self._entries, self._locks, self._filling):
            directory.mkdir(parents=True, exist_ok=True)
        for _ in range(3):  # what was just filled may be evicted before it is read
            with self._locked(key, fcntl.LOCK_SH):
                entry = self._entries / key
                if (entry / _ABOUT).is_file():
                    os.utime(entry / _ABOUT)
                    _copy(entry / _FILES, destination)
                    if tree_digest(destination) == json.loads((entry / _ABOUT).read_text())["digest"]:
                        _logger.info("The model is from the cache", extra={"fields": {"entry": key}})
                        return
                    shutil.rmtree(destination)
                    destination.mkdir()
                    broken = True
                else:
                    broken = False
            with self._locked(key, fcntl.LOCK_EX):
                if broken:
                    _logger.warning("The cache's copy is damaged and fetched anew", extra={"fields": {"entry": key}})
                    self._discard(key)
                if not (self._entries / key).exists():
                    self._fill(key, fill)
            self._sweep()
            self._evict(keep=key)
        raise CacheError("its entry does not stay")

    def _fill(self, key: str, fill: Fill) -> None:
        for left_over in self._filling.glob(f"{key}-*"):  # of a pod that was killed: we hold its lock
            shutil.rmtree(left_over)
        while True:
            private = self._filling / f"{key}-{secrets.token_hex(4)}"
            (private / "new").mkdir(parents=True)
            try:
                self._fill_in(private, key, fill)
                return
            except (FetchError, OSError) as error:
                reason = error.reason if isinstance(error, FetchError) else None
                full = reason is Reason.DISK_FULL or (isinstance(error, OSError) and error.errno == errno.ENOSPC)
                if not full:
                    raise
            finally:
                shutil.rmtree(private, ignore_errors=True)
            if not self._evict(keep=key, at_least_one=True):
                raise CacheError("its volume is full")

    def _fill_in(self, private: Path, key: str, fill: Fill) -> None:
        entry = private / "entry"
        entry.mkdir()
        fill(private / "new").rename(entry / _FILES)
        size = 0
        for path in (entry / _FILES).rglob("*"):
            if path.is_file():
                size += path.stat().st_size
                path.chmod(0o444)  # pods may share it by hard links
        about = {"digest": tree_digest(entry / _FILES), "bytes": size}
        (entry / _ABOUT).write_text(json.dumps(about))
        entry.rename(self._entries / key)

    def _sweep(self) -> None:
        """Remove what pods left that were killed while they downloaded."""
        for left_over in self._filling.iterdir():
            key = left_over.name.rpartition("-")[0]
            try:
                with self._locked(key, fcntl.LOCK_EX, wait=False):
                    shutil.rmtree(left_over, ignore_errors=True)
                    if not (self._entries / key).exists():
                        (self._locks / key).unlink(missing_ok=True)
            except CacheError:  # a pod that lives is at it
                continue

    def _evict(self, keep: str, at_least_one: bool = False) -> bool:
        """Remove what was not used for longest while there is too much; say whether anything was removed."""
        entries = []
        for about in self._entries.glob(f"*/{_ABOUT}"):
            try:
                entries.append((about.stat().st_mtime, json.loads(about.read_text())["bytes"], about.parent.name))
            except (OSError, ValueError):  # another pod is removing it
                continue
        total = sum(size for _, size, _ in entries)
        most = self._settings.max_bytes
        removed = False
        for _, size, key in sorted(entries):
            if not (at_least_one and not removed) and (not most or total <= most):
                break
            if key == keep:
                continue
            try:
                with self._locked(key, fcntl.LOCK_EX, wait=False):
                    self._discard(key)
                    (self._locks / key).unlink(missing_ok=True)
            except CacheError:  # it is being read
                continue
            _logger.info("Removed from the cache", extra={"fields": {"entry": key, "bytes": size}})
            total -= size
            removed = True
        return removed

    def _discard(self, key: str) -> None:
        """Remove an entry whose lock is held: first out of sight, for it must not be seen in part."""
        gone = self._filling / f"{key}-{secrets.token_hex(4)}"
        try:
            (self._entries / key).rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone)

    @contextmanager
    def _locked(self, key: str, kind: int, wait: bool = True) -> Iterator[None]:
        path = self._locks / key
        deadline = time.monotonic() + self._settings.wait_seconds
        told = False
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o664)
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                if _is_still(path, descriptor):
                    break
                os.close(descriptor)  # evicted meanwhile, lock and all
                continue
            except BlockingIOError:
                os.close(descriptor)
            except OSError as error:
                os.close(descriptor)
                raise CacheError(f"its volume has no locks: {error.strerror}") from error
            if not wait or time.monotonic() > deadline:
                raise CacheError("another pod holds the entry")
            if not told:
                _logger.info("Another pod fetches the model into the cache", extra={"fields": {"entry": key}})
                told = True
            time.sleep(_POLL)
        try:
            yield
        finally:
            os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _copy(source: Path, destination: Path) -> None:
    linking = True
    for directory, names, files in os.walk(source):
        here = destination / Path(directory).relative_to(source)
        for name in names:
            (here / name).mkdir()
        for name in files:
            if linking:
                try:
                    (here / name).hardlink_to(Path(directory) / name)
                    continue
                except OSError as error:
                    if error.errno not in _NO_LINKS:
                        raise
                    linking = False  # another mount, which is the usual case
            shutil.copyfile(Path(directory) / name, here / name)
