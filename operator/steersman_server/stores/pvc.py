"""``pvc://<claim>/<path>``: files of a PersistentVolumeClaim, which the operator mounts read-only at ``/pvc/<claim>``.

They are copied, so that nothing that changes on the volume later changes a model that serves. Environment: PVC_ROOT,
where claims are mounted (default /pvc).
"""

import os
import shutil
import stat
from pathlib import Path

from steersman_server import digest
from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.stores import unpack
from steersman_server.stores.order import Order, inside


def download(order: Order) -> Path:
    """Copy the directory, or the file, which is unpacked if it is an archive."""
    claim, _, path = order.uri.partition("://")[2].partition("/")
    if not claim:
        raise FetchError(Reason.CONFIGURATION, "write pvc://<claim>/<path>")
    root = Path(os.environ.get("PVC_ROOT") or "/pvc") / claim
    if not root.is_dir():
        message = f"the claim is not mounted at {root}: mount it there, or name it in spec.model.uri, which does"
        raise FetchError(Reason.CONFIGURATION, message)
    root = root.resolve()
    source = _within(root, root / path.strip("/"))
    if source.is_dir():
        _copy_tree(root, source, order)
        if order.sha256:
            digest.check(order.sha256, digest.tree_digest(order.destination), "the files")
        return order.destination
    file = order.destination.with_name("download")
    _copy(source, file, order)
    if order.sha256:
        digest.check(order.sha256, digest.file_digest(file), "the file")
    return unpack.deliver(file, source.name, order)


def _copy_tree(root: Path, source: Path, order: Order) -> None:
    for directory, names, files in os.walk(source):
        for name in names:
            if (Path(directory) / name).is_symlink():
                raise FetchError(Reason.UNSAFE, f"{name!r} is a link to a folder: put the folder itself there")
        for name in files:
            path = Path(directory) / name
            _copy(_within(root, path), inside(order.destination, path.relative_to(source).as_posix()), order)


def _within(root: Path, path: Path) -> Path:
    resolved = path.resolve()
    if not resolved.is_relative_to(root):
        raise FetchError(Reason.UNSAFE, f"{path.relative_to(root)} leads out of the claim")
    if not resolved.exists():
        raise FetchError(Reason.NOT_FOUND, f"there is no {path.relative_to(root)} on the claim")
    return resolved


def _copy(source: Path, target: Path, order: Order) -> None:
    status = source.stat()
    if not stat.S_ISREG(status.st_mode):
        raise FetchError(Reason.UNSAFE, f"{source.name!r} is neither a file nor a folder")
    order.budget.add_file()
    order.budget.add_bytes(status.st_size)
    shutil.copyfile(source, target)
