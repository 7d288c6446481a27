"""``https://``, ``oci://`` and ``gs://`` against servers on loopback."""

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from steersman_server import fetch as fetching
from steersman_server.fetch import fetch
from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.fetch_settings import FetchSettings
from steersman_server.stores import retries
from unit.server.file_server import Answer, FileServer, serving


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def packed(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


MLMODEL = b"flavors: {}\n"
ARCHIVE = packed(MLmodel=MLMODEL, weights=b"w" * 3000)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE", 0.001)


def refused(uri: str, directory: Path, **settings: object) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch(uri, directory, FetchSettings(**settings))  # type: ignore[arg-type]
    assert not (directory / "model").exists()
    assert not list(directory.glob(".fetch-*"))
    return caught.value


class TestHttps:
    @pytest.fixture
    def server(self) -> Iterator[FileServer]:
        self.trouble: list[Answer] = []

        def answer(path: str, _: Mapping[str, str]) -> Answer:
            if self.trouble:
                return self.trouble.pop()
            return Answer(200, ARCHIVE) if path == "/m/model.tar.gz" else Answer(404)

        with serving(answer) as server:
            yield server

    def test_an_archive_whose_digest_fits(self, tmp_path: Path, server: FileServer) -> None:
        target = fetch(f"http://{server.host}/m/model.tar.gz", tmp_path, FetchSettings(sha256=sha(ARCHIVE)))
        assert (target / "weights").read_bytes() == b"w" * 3000

    def test_one_whose_digest_does_not(self, tmp_path: Path, server: FileServer) -> None:
        error = refused(f"http://{server.host}/m/model.tar.gz", tmp_path, sha256="0" * 64)
        assert error.reason is Reason.DIGEST
        assert sha(ARCHIVE) in str(error)

    def test_without_encryption_and_digest_it_is_not_asked_for(self, tmp_path: Path, server: FileServer) -> None:
        error = refused(f"http://{server.host}/m/model.tar.gz", tmp_path)
        assert error.reason is Reason.CONFIGURATION
        assert server.asked == []

    def test_a_passing_failure_and_a_broken_answer_are_tried_again(self, tmp_path: Path, server: FileServer) -> None:
        self.trouble = [
            Answer(200, ARCHIVE[:100], cut_short=True),
            Answer(503),
            Answer(429, headers={"Retry-After": "0"}),
        ]
        fetch(f"http://{server.host}/m/model.tar.gz", tmp_path, FetchSettings(sha256=sha(ARCHIVE)))
        assert len(server.asked) == 4

    @pytest.mark.parametrize(
        ("status", "reason", "times"), [(503, Reason.UNREACHABLE, 4), (403, Reason.UNAUTHORIZED, 1)]
    )
    def test_a_lasting_one_is_said(
        self, tmp_path: Path, server: FileServer, status: int, reason: Reason, times: int
    ) -> None:
        self.trouble = [Answer(status)] * 10
        assert refused(f"http://{server.host}/m/model.tar.gz", tmp_path, sha256=sha(ARCHIVE)).reason is reason
        assert len(server.asked) == times

    def test_what_is_not_there_or_too_large(self, tmp_path: Path, server: FileServer) -> None:
        assert refused(f"http://{server.host}/x", tmp_path, sha256="0" * 64).reason is Reason.NOT_FOUND
        error = refused(f"http://{server.host}/m/model.tar.gz", tmp_path, sha256=sha(ARCHIVE), max_bytes=100)
        assert error.reason is Reason.TOO_LARGE

    def test_the_token_is_not_sent_without_encryption(
        self, tmp_path: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODEL_HTTP_TOKEN", "t0ken")
        fetch(f"http://{server.host}/m/model.tar.gz", tmp_path, FetchSettings(sha256=sha(ARCHIVE)))
        assert server.asked == [("/m/model.tar.gz", None)]


class Repository:
    """A tiny registry: one repository, behind a token that its own token server gives to ada."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.server: FileServer | None = None
        self.uses = self.uses_of_a_token = 1000

    def push(self, tag: str, layers: list[dict[str, object]]) -> str:
        body = json.dumps({"schemaVersion": 2, "layers": layers}).encode()
        self.manifests[tag] = self.manifests[f"sha256:{sha(body)}"] = body
        return sha(body)

    def layer(self, content: bytes, kind: str = "application/octet-stream", **annotations: str) -> dict[str, object]:
        self.blobs[f"sha256:{sha(content)}"] = content
        return {
            "mediaType": kind,
            "digest": f"sha256:{sha(content)}",
            "size": len(content),
            "annotations": annotations,
        }

    def answer(self, path: str, headers: Mapping[str, str]) -> Answer:
        assert self.server is not None
        url = urlsplit(path)
        if url.path == "/token":
            login = "Basic " + base64.b64encode(b"ada:p4ssword").decode()
            if headers.get("Authorization") != login or parse_qs(url.query)["scope"] != ["repository:team/fraud:pull"]:
                return Answer(401)
            return Answer(200, b'{"token": "tok"}')
        self.uses -= headers.get("Authorization") == "Bearer tok"
        if headers.get("Authorization") != "Bearer tok" or self.uses < 0:
            self.uses = self.uses_of_a_token
            challenge = (
                f'Bearer realm="http://{self.server.host}/token",service="tiny",scope="repository:team/fraud:pull"'
            )
            return Answer(401, headers={"WWW-Authenticate": challenge})
        kind, _, name = url.path.removeprefix("/v2/team/fraud/").partition("/")
        found = {"manifests": self.manifests, "blobs": self.blobs}[kind].get(name)
        return Answer(404) if found is None else Answer(200, found)


TITLE = "org.opencontainers.image.title"


class TestOci:
    @pytest.fixture
    def repository(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
        repository = Repository()
        with serving(repository.answer) as server:
            repository.server = server
            monkeypatch.setenv("OCI_PLAIN_HTTP", "true")
            monkeypatch.setenv("OCI_USERNAME", "ada")
            monkeypatch.setenv("OCI_PASSWORD", "p4ssword")
            yield repository

    def uri(self, repository: Repository, reference: str) -> str:
        assert repository.server is not None
        return f"oci://{repository.server.host}/team/fraud{reference}"

    def test_files_and_folders_as_oras_pushes_them(self, tmp_path: Path, repository: Repository) -> None:
        tar = "application/vnd.oci.image.layer.v1.tar"
        digest = repository.push(
            "v3",
            [
                repository.layer(MLMODEL, tar, **{TITLE: "MLmodel"}),
                repository.layer(
                    packed(**{"data/x": b"x"}), tar + "+gzip", **{TITLE: "data", "io.deis.oras.content.unpack": "true"}
                ),
                repository.layer(packed(**{"more/y": b"y"}), tar + "+gzip"),
                repository.layer(b"z", **{"org.cncf.model.filepath": "weights/z"}),
            ],
        )
        target = fetch(self.uri(repository, f":v3@sha256:{digest}"), tmp_path)
        files = {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()}
        assert files.pop(".steersman-source")
        assert files == {"MLmodel": MLMODEL, "data/x": b"x", "more/y": b"y", "weights/z": b"z"}

    def test_a_single_archive_is_unpacked(self, tmp_path: Path, repository: Repository) -> None:
        digest = repository.push("v1", [repository.layer(ARCHIVE, **{TITLE: "model.tar.gz"})])
        assert (fetch(self.uri(repository, f"@sha256:{digest}"), tmp_path) / "weights").exists()

    def test_an_index_of_one(self, tmp_path: Path, repository: Repository) -> None:
        digest = repository.push("inner", [repository.layer(ARCHIVE, **{TITLE: "model.tar.gz"})])
        index = {"schemaVersion": 2, "manifests": [{"digest": f"sha256:{digest}"}]}
        repository.manifests["v1"] = json.dumps(index).encode()
        assert (fetch(self.uri(repository, ":v1"), tmp_path) / "weights").exists()
        repository.manifests["v2"] = json.dumps({**index, "manifests": index["manifests"] * 2}).encode()  # type: ignore[operator]
        assert refused(self.uri(repository, ":v2"), tmp_path / "2").reason is Reason.UNSUPPORTED

    def test_a_token_that_expires_meanwhile_is_renewed(self, tmp_path: Path, repository: Repository) -> None:
        layers = [repository.layer(name.encode(), **{TITLE: name}) for name in ("MLmodel", "a", "b", "c")]
        repository.push("v1", layers)
        repository.uses = repository.uses_of_a_token = 2
        assert len(list(fetch(self.uri(repository, ":v1"), tmp_path).iterdir())) == 5

    def test_changed_content_is_noticed(self, tmp_path: Path, repository: Repository) -> None:
        digest = repository.push("v1", [repository.layer(ARCHIVE, **{TITLE: "model.tar.gz"})])
        repository.push("other", [repository.layer(b"other", **{TITLE: "MLmodel"})])
        repository.manifests[f"sha256:{digest}"] = repository.manifests["other"]
        assert refused(self.uri(repository, f":v1@sha256:{digest}"), tmp_path).reason is Reason.DIGEST
        assert refused(self.uri(repository, ":v1"), tmp_path, sha256="0" * 64).reason is Reason.DIGEST
        repository.blobs[f"sha256:{sha(ARCHIVE)}"] = ARCHIVE + b"x"
        assert refused(self.uri(repository, ":v1"), tmp_path).reason is Reason.DIGEST

    def test_names_that_lead_out(self, tmp_path: Path, repository: Repository) -> None:
        repository.push(
            "v1", [repository.layer(b"1", **{TITLE: "../out"}), repository.layer(MLMODEL, **{TITLE: "MLmodel"})]
        )
        assert refused(self.uri(repository, ":v1"), tmp_path).reason is Reason.UNSAFE

    def test_a_docker_configuration_instead_of_variables(
        self, tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        repository.push("v1", [repository.layer(ARCHIVE, **{TITLE: "model.tar.gz"})])
        monkeypatch.delenv("OCI_USERNAME")
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        assert refused(self.uri(repository, ":v1"), tmp_path / "m").reason is Reason.UNAUTHORIZED
        assert repository.server is not None
        login = {"auth": base64.b64encode(b"ada:p4ssword").decode()}
        (tmp_path / "config.json").write_text(json.dumps({"auths": {repository.server.host: login}}))
        fetch(self.uri(repository, ":v1"), tmp_path / "m")

    @pytest.mark.parametrize("reference", ["", ":v 1", "@sha256:123", "/../x:v1"])
    def test_references_that_say_too_little(self, tmp_path: Path, repository: Repository, reference: str) -> None:
        assert refused(self.uri(repository, reference), tmp_path).reason is Reason.CONFIGURATION

    def test_what_is_not_there(self, tmp_path: Path, repository: Repository) -> None:
        assert refused(self.uri(repository, ":v9"), tmp_path).reason is Reason.NOT_FOUND


@pytest.mark.parametrize("prefix", ["models/fraud", "models/fraud/", "models/fraud.tar.gz"])
def test_google_cloud_storage_by_its_json_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    """A recorded contract: two pages of a list, and the objects (component/test_model_stores.py asks an emulator)."""
    objects = {
        "models/fraud/MLmodel": MLMODEL,
        "models/fraud/data/": b"",
        "models/fraud/data/a b": b"x",
        "models/fraud-2/MLmodel": b"another",
        "models/fraud.tar.gz": ARCHIVE,
    }
    damaged = False

    def answer(path: str, _: Mapping[str, str]) -> Answer:
        url = urlsplit(path)
        query = parse_qs(url.query)
        if url.path == "/storage/v1/b/bucket/o":
            names = [name for name in objects if name.startswith(query["prefix"][0])]
            page = names[1:] if "pageToken" in query else names[:1]
            md5 = {name: base64.b64encode(hashlib.md5(objects[name]).digest()).decode() for name in page}  # noqa: S324
            items = [{"name": name, "size": str(len(objects[name])), "md5Hash": md5[name]} for name in page]
            more = {} if "pageToken" in query or len(names) < 2 else {"nextPageToken": "2"}
            return Answer(200, json.dumps({"items": items, **more}).encode())
        content = objects[unquote(url.path.removeprefix("/download/storage/v1/b/bucket/o/"))]
        return Answer(200, content + (b"!" if damaged else b""))

    with serving(answer) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.host)
        target = fetch(f"gs://bucket/{prefix}", tmp_path / "1")
        assert (target / "MLmodel").read_bytes() == MLMODEL
        assert (target / ("weights" if prefix.endswith("gz") else "data/a b")).is_file()
        assert refused("gs://bucket/nothing", tmp_path / "2").reason is Reason.NOT_FOUND
        damaged = True
        assert refused(f"gs://bucket/{prefix}", tmp_path / "3").reason is Reason.DIGEST


def test_the_command_names_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_URI", "https://ada:p4ssword@127.0.0.1:1/model.zip?X-Amz-Signature=s3cret")
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    assert fetching.main() == Reason.UNREACHABLE.exit_code
    said = capsys.readouterr()
    assert "unreachable: cannot fetch https://***@127.0.0.1:1/model.zip?*** " in said.err
    assert not any(secret in said.err + said.out for secret in ("p4ssword", "s3cret"))
