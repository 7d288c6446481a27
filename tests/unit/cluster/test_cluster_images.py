"""An image is built again exactly when something in it changed, and carried without what is there already."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from cluster import pip_settings, seeds
from cluster.archives import Blob, BuiltImage, ImageLayout
from cluster.cache import Cache
from cluster.dockerfiles import content_key, copied_paths
from cluster.errors import BuildFailed
from cluster.images import ImageBuilder, ImageSource, storage_name
from cluster.progress import Progress
from cluster.seeds import Seed

DOCKERFILE = """\
# COPY commented /x
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS build
COPY --chown=1:1 requirements/a.lock \\
     pyproject.toml /build/
ADD ["with space", "/b"]
RUN --mount=type=bind,source=bound,target=/bound --mount=type=cache,target=/c make
FROM ${BASE_IMAGE}
COPY --from=build /opt /opt
copy code/ /code/
"""


def test_the_copied_paths_are_read() -> None:
    expected = ["requirements/a.lock", "pyproject.toml", "with space", "bound", "code/"]
    assert copied_paths(DOCKERFILE) == expected


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY code *.toml /\n")
    (tmp_path / "code" / "__pycache__").mkdir(parents=True)
    (tmp_path / "code" / "a.py").write_text("a")
    (tmp_path / "p.toml").write_text("p")
    return tmp_path


def _key(context: Path, **arguments: str) -> str:
    return content_key(context / "Dockerfile", context, arguments)


def test_the_key_follows_what_goes_in(context: Path) -> None:
    before = _key(context)
    (context / "other.md").write_text("not copied")
    (context / "code" / "__pycache__" / "a.pyc").write_text("made by running")
    assert _key(context) == before
    assert _key(context, VERSION="1") != before
    (context / "code" / "a.py").write_text("b")
    changed = _key(context)
    assert changed != before
    (context / "code" / "a.py").rename(context / "code" / "c.py")
    assert _key(context) not in (before, changed)


def test_a_program_that_becomes_executable_changes_the_key(context: Path) -> None:
    before = _key(context)
    (context / "code" / "a.py").chmod(0o755)
    assert _key(context) != before


def test_the_parent_is_part_of_the_key(context: Path) -> None:
    one = content_key(context / "Dockerfile", context, {}, ["one"])
    assert one != content_key(context / "Dockerfile", context, {}, ["two"])


def test_a_missing_source_is_named(context: Path) -> None:
    (context / "p.toml").unlink()
    with pytest.raises(BuildFailed, match=r"copies '\*\.toml', which is not in"):
        _key(context)


def test_a_missing_dockerfile_is_named(tmp_path: Path) -> None:
    builder = ImageBuilder(Cache(tmp_path), Progress(quiet=True))
    with pytest.raises(BuildFailed, match="steersman/x:dev has no Dockerfile"):
        builder.build(ImageSource("steersman/x:dev", tmp_path / "Dockerfile"))


def test_an_image_that_was_never_built_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="steersman/x:dev has not been built here"):
        ImageBuilder(Cache(tmp_path), Progress(quiet=True)).built("steersman/x:dev")


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("steersman/operator:dev", "docker.io/steersman/operator:dev"),
        ("registry.example/a/b:1", "registry.example/a/b:1"),
        ("localhost:5000/b:1", "localhost:5000/b:1"),
        ("localhost/b:1", "localhost/b:1"),
    ],
)
def test_containerd_sees_full_names(name: str, full: str) -> None:
    assert BuiltImage(name, Blob("a", 1), ()).full_name == full


def test_builds_are_stored_without_the_tag() -> None:
    assert storage_name("steersman/operator:dev") == "localhost/steersman/operator"


# ---------------------------------------------------------------- the layout and its archives


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def layout(tmp_path: Path) -> ImageLayout:
    return ImageLayout(tmp_path / "layout")


def _adopt(layout: ImageLayout, tmp_path: Path, name: str, *layers: bytes) -> BuiltImage:
    folder = tmp_path / "exported"
    folder.mkdir(exist_ok=True)
    config = b"{}"
    parts = [{"digest": f"sha256:{_digest(layer)}", "size": len(layer)} for layer in layers]
    manifest = {"config": {"digest": f"sha256:{_digest(config)}", "size": len(config)}, "layers": parts}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
    for content in (config, *layers):
        (folder / _digest(content)).write_bytes(content)
    return layout.adopt(name, folder)


def _members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]


def test_an_archive_leaves_out_what_the_receiver_has(layout: ImageLayout, tmp_path: Path) -> None:
    image = _adopt(layout, tmp_path, "steersman/x:dev", b"base", b"code")
    whole, part = io.BytesIO(), io.BytesIO()
    layout.archive(image, whole)
    layout.archive(image, part, without=frozenset({_digest(b"base"), image.manifest.digest}))
    names = _members(whole.getvalue())
    assert names[f"blobs/sha256/{_digest(b'base')}"] == b"base"
    fewer = _members(part.getvalue())
    assert set(names) - set(fewer) == {f"blobs/sha256/{_digest(b'base')}"}
    (described,) = json.loads(fewer["index.json"])["manifests"]
    assert described["digest"] == f"sha256:{image.manifest.digest}"
    assert described["annotations"]["io.containerd.image.name"] == "docker.io/steersman/x:dev"
    assert _digest(fewer[f"blobs/sha256/{image.manifest.digest}"]) == image.manifest.digest


def test_pruning_keeps_what_the_images_have(layout: ImageLayout, tmp_path: Path) -> None:
    old = _adopt(layout, tmp_path, "steersman/x:dev", b"base", b"old code")
    new = _adopt(layout, tmp_path, "steersman/x:dev", b"base", b"new code")
    assert layout.holds(old)
    assert layout.prune([new]) >= len(b"old code")
    assert layout.holds(new)
    assert not layout.holds(old)


def test_a_blob_cut_short_is_noticed(layout: ImageLayout, tmp_path: Path) -> None:
    image = _adopt(layout, tmp_path, "steersman/x:dev", b"base")
    layout.path(image.blobs[-1]).write_bytes(b"ba")
    assert not layout.holds(image)


def test_a_record_reads_back(layout: ImageLayout, tmp_path: Path) -> None:
    image = _adopt(layout, tmp_path, "steersman/x:dev", b"base")
    assert BuiltImage.from_json(image.to_json()) == image


def test_an_import_that_fails_says_why(layout: ImageLayout, tmp_path: Path) -> None:
    image = _adopt(layout, tmp_path, "steersman/x:dev", b"base" * 1_000_000)
    with pytest.raises(BuildFailed, match=r"steersman/x:dev could not be imported \(exit code 3\)(.|\n)*no room"):
        layout.send(image, ["sh", "-c", "echo no room; exit 3"])


def test_a_copy_becomes_a_link_to_the_layouts_own(layout: ImageLayout, tmp_path: Path) -> None:
    image = _adopt(layout, tmp_path, "steersman/x:dev", b"base")
    copied = tmp_path / image.blobs[-1].digest
    copied.write_bytes(b"base")
    layout.share(copied)
    assert copied.samefile(layout.path(image.blobs[-1]))


# ---------------------------------------------------------------- seeds


def _seed(folder: Path, blobs: list[str]) -> Path:
    for database in seeds.DATABASES:
        (folder / database).parent.mkdir(parents=True, exist_ok=True)
        (folder / database).write_text("database")
    (folder / seeds.BLOBS).mkdir(parents=True)
    for blob in blobs:
        (folder / seeds.BLOBS / blob).write_text(blob)
    (folder / seeds.SNAPSHOTS / "1" / "fs").mkdir(parents=True)
    (folder / seeds.STAMP).write_text(json.dumps({"blobs": blobs, "names": {"docker.io/a:1": "m"}}))
    return folder


def test_a_seed_knows_what_it_lacks(tmp_path: Path) -> None:
    seed = Seed.read(_seed(tmp_path / "seed", ["m", "base"]))
    assert seed is not None
    image = BuiltImage("a:1", Blob("m", 10), (Blob("m", 10), Blob("base", 100), Blob("code", 7)))
    assert seed.missing_bytes([image, image]) == 7
    assert seed.names["docker.io/a:1"] == "m"


def test_a_seed_that_is_not_whole_is_not_taken(tmp_path: Path) -> None:
    folder = _seed(tmp_path / "seed", [])
    (folder / seeds.DATABASES[1]).unlink()
    assert Seed.read(folder) is None
    assert Seed.read(tmp_path / "nothing") is None


def test_a_cluster_gets_databases_of_its_own_and_shares_the_rest(tmp_path: Path) -> None:
    seed = Seed.read(_seed(tmp_path / "seed", ["base"]))
    assert seed is not None
    seeds.copy(seed, tmp_path / "copy")
    for database in seeds.DATABASES:
        (tmp_path / "copy" / database).write_text("changed")
        assert (seed.folder / database).read_text() == "database"
    assert (tmp_path / "copy" / seeds.BLOBS / "base").samefile(seed.folder / seeds.BLOBS / "base")
    assert list((tmp_path / "copy" / seeds.SNAPSHOTS / "1").iterdir()) == []


# ---------------------------------------------------------------- pip inside builds


def test_pip_finds_packages_as_on_this_machine(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    system = tmp_path / "pip.conf"
    system.write_text(
        "[global]\nindex-url = https://one.example/simple\ncert = /host/only.pem\n[list]\nformat = json\n"
    )
    environment = {
        "PIP_INDEX_URL": "https://two.example/simple",
        "PIP_FIND_LINKS": f"{wheels} https://links.example",
        "PIP_CACHE_DIR": "/host/cache",
        "OTHER": "x",
    }
    found = pip_settings.collect(environment, [system, tmp_path / "missing"])
    assert "index-url = https://two.example/simple" in found.text
    assert f"cert = {pip_settings.CERTIFICATES}" in found.text
    assert "host" not in found.text
    assert "format" not in found.text
    assert found.folders == (wheels,)


def test_a_companys_certificates_are_found(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    assert pip_settings.certificate_bundle({"PIP_CERT": str(bundle)}) == bundle
    assert pip_settings.certificate_bundle({"PIP_CERT": str(tmp_path / "no")}) != tmp_path / "no"


def test_a_seed_grows_from_an_older_one_without_changing_it(tmp_path: Path) -> None:
    old = Seed.read(_seed(tmp_path / "old", ["base"]))
    assert old is not None
    (old.folder / seeds.SNAPSHOTS / "1" / "fs" / "file").write_text("layer")
    new = tmp_path / "new"
    new.mkdir()
    seeds.grow_from(old, new)
    (new / seeds.SNAPSHOTS / "2").mkdir()
    (new / seeds.DATABASES[0]).write_text("more")
    assert (new / seeds.SNAPSHOTS / "1" / "fs" / "file").samefile(old.folder / seeds.SNAPSHOTS / "1" / "fs" / "file")
    assert [path.name for path in (old.folder / seeds.SNAPSHOTS).iterdir()] == ["1"]
    assert (old.folder / seeds.DATABASES[0]).read_text() == "database"
