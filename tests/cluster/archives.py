"""Built images as OCI blobs in the cache, and the archives in which clusters import them.

All images share one OCI layout (github.com/opencontainers/image-spec, image-layout.md), its layers uncompressed. An
archive can leave out the blobs that the importing containerd has already, so after a change of code only the changed
layer is carried.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from cluster.commands import failure
from cluster.errors import BuildFailed

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Blob:
    """A manifest, configuration or layer: sha256 in hexadecimal and size in bytes."""

    digest: str
    size: int


@dataclass(frozen=True)
class BuiltImage:
    """An image whose blobs are in the layout."""

    name: str
    """The name that manifests use, such as steersman/operator:dev."""
    manifest: Blob
    blobs: tuple[Blob, ...]
    """All blobs, the manifest first."""

    @property
    def size(self) -> int:
        """Bytes of all blobs together."""
        return sum(blob.size for blob in self.blobs)

    @property
    def full_name(self) -> str:
        """The name as containerd keeps it: with a registry's name in front."""
        first = self.name.split("/", 1)[0]
        has_registry = "/" in self.name and ("." in first or ":" in first or first == "localhost")
        return self.name if has_registry else f"docker.io/{self.name}"

    def to_json(self) -> str:
        """The image as a record that from_json reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> BuiltImage:
        """Read a record; KeyError, TypeError or ValueError when it is none."""
        record = json.loads(text)
        blobs = tuple(Blob(**blob) for blob in record["blobs"])
        return cls(record["name"], Blob(**record["manifest"]), blobs)


class ImageLayout:
    """The OCI layout in the cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._blobs = folder / "blobs" / "sha256"

    def path(self, blob: Blob) -> Path:
        """The file of a blob."""
        return self._blobs / blob.digest

    def read(self, name: str, manifest_digest: str) -> BuiltImage:
        """The image whose manifest has this digest (hexadecimal), under `name`."""
        manifest_file = self._blobs / manifest_digest
        manifest = Blob(manifest_digest, manifest_file.stat().st_size)
        content = json.loads(manifest_file.read_bytes())
        parts = [
            Blob(part["digest"].removeprefix("sha256:"), part["size"])
            for part in (content["config"], *content["layers"])
        ]
        return BuiltImage(name, manifest, tuple(dict.fromkeys([manifest, *parts])))

    def adopt(self, name: str, folder: Path) -> BuiltImage:
        """Move an image in the `dir:` form, on the same file system, into the layout."""
        manifest = (folder / "manifest.json").read_bytes()
        digest = hashlib.sha256(manifest).hexdigest()
        self._blobs.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            if len(file.name) == 64 and not (self._blobs / file.name).exists():
                file.rename(self._blobs / file.name)
        (self._blobs / digest).write_bytes(manifest)
        return self.read(name, digest)

    def holds(self, image: BuiltImage) -> bool:
        """Whether every blob of the image is here in full."""
        return all(self.path(blob).is_file() and self.path(blob).stat().st_size == blob.size for blob in image.blobs)

    def archive(self, image: BuiltImage, target: IO[bytes], *, without: frozenset[str] = frozenset()) -> None:
        """Write the image as an OCI archive, leaving out the blobs whose digests are in `without`."""
        index = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [
                {
                    "mediaType": MANIFEST,
                    "digest": f"sha256:{image.manifest.digest}",
                    "size": image.manifest.size,
                    "annotations": {
                        "io.containerd.image.name": image.full_name,
                        "org.opencontainers.image.ref.name": image.name.rsplit(":", 1)[-1],
                    },
                }
            ],
        }
        with tarfile.open(fileobj=target, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
            _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
            _add(archive, "index.json", json.dumps(index).encode())
            for blob in image.blobs:
                # The manifest always goes along: an archive without any blob is refused.
                if blob.digest in without and blob != image.manifest:
                    continue
                entry = tarfile.TarInfo(f"blobs/sha256/{blob.digest}")
                entry.size = blob.size
                with self.path(blob).open("rb") as content:
                    archive.addfile(entry, content)

    def send(self, image: BuiltImage, command: Sequence[str], *, without: frozenset[str] = frozenset()) -> None:
        """Run `command` with the image's archive as its standard input."""
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            self.archive(image, process.stdin, without=without)
            process.stdin.close()
        except BrokenPipeError:
            pass  # the command has ended early: its own words say why
        output = process.stdout.read()
        process.stdout.close()
        if process.wait() != 0:
            raise BuildFailed(
                failure(command, process.returncode, output, f"The image {image.name} could not be imported")
            )

    def share(self, copied: Path) -> None:
        """Replace `copied`, a copy of a blob of this layout named by its digest, by a hard link to it."""
        own = self._blobs / copied.name
        if not own.is_file() or own.samefile(copied):
            return
        beside = copied.with_name(copied.name + ".link")
        try:
            os.link(own, beside)
        except OSError:  # another file system: the copy stays
            return
        beside.replace(copied)

    def prune(self, images: Iterable[BuiltImage]) -> int:
        """Delete the blobs that none of `images` has; the bytes that this freed."""
        wanted = {blob.digest for image in images for blob in image.blobs}
        freed = 0
        for file in self._files():
            if file.name not in wanted:
                freed += file.stat().st_size
                file.unlink()
        return freed

    def clear(self) -> None:
        """Delete the whole layout."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _files(self) -> Iterator[Path]:
        yield from self._blobs.iterdir() if self._blobs.is_dir() else ()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
