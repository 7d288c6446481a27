"""``oci://registry/repository:tag@sha256:...``: an artifact in a container registry, as ORAS and others push them.

Each layer is a file (annotation ``org.opencontainers.image.title``), or an archive that is unpacked. The digest of every
manifest and layer is checked; with a digest in the URI that ties the whole model to it. Environment: OCI_USERNAME and
OCI_PASSWORD, or a Docker configuration in the directory DOCKER_CONFIG; OCI_PLAIN_HTTP.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from steersman_server import digest
from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.stores import unpack
from steersman_server.stores.oci_registry import INDEXES, Registry
from steersman_server.stores.order import Order, inside

_REFERENCE = re.compile(
    r"oci://(?P<host>[A-Za-z0-9.-]+(:[0-9]+)?)/(?P<repository>[a-z0-9]+((\.|_{1,2}|-+|/)[a-z0-9]+)*)"
    r"(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(@sha256:(?P<digest>[0-9a-f]{64}))?"
)
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
TITLE = "org.opencontainers.image.title"
UNPACK = "io.deis.oras.content.unpack"
"""ORAS's mark of a folder that was packed for the push."""
MODEL_PATH = "org.cncf.model.filepath"
"""The file's name in the model specification of the CNCF (ModelPack)."""


def download(order: Order) -> Path:
    """Pull the artifact's layers."""
    reference = _REFERENCE.fullmatch(order.uri)
    if reference is None or not (reference["tag"] or reference["digest"]):
        message = "write oci://<registry>/<repository>:<tag>, or @sha256:<digest> in place of the tag or after it"
        raise FetchError(Reason.CONFIGURATION, message)
    with Registry(reference["host"], reference["repository"]) as registry:
        meant = f"sha256:{reference['digest']}" if reference["digest"] else reference["tag"]
        manifest = _manifest(registry, meant, order.sha256)
        if manifest.get("mediaType") in INDEXES or "manifests" in manifest:
            parts = manifest.get("manifests") or []
            if len(parts) != 1:
                raise FetchError(Reason.UNSUPPORTED, "it is an index of several artifacts: name one by its digest")
            manifest = _manifest(registry, _checked(parts[0]), "")
        layers = manifest.get("layers") or []
        if not layers:
            raise FetchError(Reason.NOT_FOUND, "the artifact has no layers")
        for layer in layers:
            _receive(registry, layer, order, alone=len(layers) == 1)
    return unpack.single_folder(order.destination)


def _manifest(registry: Registry, reference: str, expected: str) -> dict[str, Any]:
    body = registry.manifest(reference)
    found = hashlib.sha256(body).hexdigest()
    digest.check(reference.removeprefix("sha256:") if _DIGEST.fullmatch(reference) else "", found, "the manifest")
    digest.check(expected, found, "the manifest")
    try:
        manifest = json.loads(body)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("schemaVersion") != 2:
        raise FetchError(Reason.UNSUPPORTED, "the registry answers with something else than an OCI manifest")
    return manifest


def _receive(registry: Registry, layer: dict[str, Any], order: Order, alone: bool) -> None:
    name = _checked(layer)
    file = order.destination.with_name("download")
    received = registry.blob(name, file, order.budget)
    digest.check(name.removeprefix("sha256:"), received.sha256, "a layer")
    annotations, kind = layer.get("annotations") or {}, str(layer.get("mediaType", ""))
    title = annotations.get(TITLE)
    # ORAS gives plain files the media type of an archive too, so a title says more.
    if annotations.get(UNPACK) == "true" or (title is None and re.search(r"[.+]tar([.+]gzip)?$|rootfs.diff.tar", kind)):
        unpack.unpack(file, order.destination, order.budget)
        file.unlink()
    elif title is not None and alone:
        unpack.deliver(file, title, order)
    elif (title := title or annotations.get(MODEL_PATH)) is not None:
        file.replace(inside(order.destination, title))
    else:
        raise FetchError(Reason.UNSUPPORTED, f"a layer of type {kind[:100]} has no file name and is no tar archive")


def _checked(descriptor: dict[str, Any]) -> str:
    """The descriptor's digest, which becomes a part of a URL."""
    found = str(descriptor.get("digest", ""))
    if not _DIGEST.fullmatch(found):
        raise FetchError(Reason.UNSUPPORTED, "a layer's digest is no SHA-256")
    return found
