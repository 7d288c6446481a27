"""``https://`` over TLS: whom the token is told to, and what a redirect may do."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cluster.certificates import CertificateFolder
from steersman_server.fetch import fetch
from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.fetch_settings import FetchSettings
from steersman_server.stores import retries
from unit.server.file_server import Answer, FileServer, serving
from unit.server.test_server_web_stores import ARCHIVE, sha


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateFolder:
    folder = CertificateFolder(tmp_path_factory.mktemp("certificates"))
    authority = folder.authority("ca", "test")
    folder.issue("server", authority, common_name="server", addresses=["127.0.0.1"])
    return folder


class Site:
    """A host with TLS, one without, and what is to be redirected."""

    def __init__(self) -> None:
        self.redirects: dict[str, str] = {}
        self.tls: FileServer
        self.plain: FileServer

    def answer(self, path: str, _: Mapping[str, str]) -> Answer:
        if path in self.redirects:
            return Answer(302, headers={"Location": self.redirects[path]})
        return Answer(200, ARCHIVE)


@pytest.fixture
def site(certificates: CertificateFolder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(retries, "FIRST_PAUSE", 0.001)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.certificate("ca")))
    monkeypatch.setenv("MODEL_HTTP_TOKEN", "t0ken")
    site = Site()
    pair = (certificates.certificate("server"), certificates.key("server"))
    with serving(site.answer, pair) as site.tls, serving(site.answer) as site.plain:
        yield site


def test_the_token_goes_to_the_host_that_the_uri_names(tmp_path: Path, site: Site) -> None:
    target = fetch(f"https://{site.tls.host}/model.tar.gz", tmp_path)
    assert (target / "weights").exists()
    assert site.tls.asked == [("/model.tar.gz", "Bearer t0ken")]


def test_a_redirect_to_plain_http_is_followed_only_with_a_digest_and_never_with_the_token(
    tmp_path: Path, site: Site
) -> None:
    site.redirects["/model.tar.gz"] = f"http://{site.plain.host}/elsewhere"
    uri = f"https://{site.tls.host}/model.tar.gz"
    with pytest.raises(FetchError, match="redirects to unencrypted HTTP") as caught:
        fetch(uri, tmp_path)
    assert caught.value.reason is Reason.CONFIGURATION
    fetch(uri, tmp_path, FetchSettings(sha256=sha(ARCHIVE)))
    assert {authorization for _, authorization in site.plain.asked} == {None}


def test_an_unknown_certificate_is_said_at_once(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(FetchError, match="REQUESTS_CA_BUNDLE") as caught:
        fetch(f"https://{site.tls.host}/model.tar.gz", tmp_path)
    assert caught.value.reason is Reason.UNREACHABLE
    assert site.tls.asked == []
