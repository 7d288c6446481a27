"""The certificates are such that real TLS peers accept them."""

import base64
import ipaddress
import socket
import ssl
import threading
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from cluster import kubeconfig
from cluster.certificates import CertificateFolder, issue_all


@pytest.fixture
def folder(tmp_path: Path) -> CertificateFolder:
    return issue_all(tmp_path / "c", api_addresses=["10.96.0.1"], node="node-1", node_address="10.255.0.1")


def _read(folder: CertificateFolder, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(folder.certificate(name).read_bytes())


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> dict[str, object]:
    near, far = socket.socketpair()
    peer: dict[str, object] = {}

    def serve() -> None:
        with near, server.wrap_socket(near, server_side=True) as tls:
            peer.update(tls.getpeercert() or {})
            tls.sendall(b"x")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with far, client.wrap_socket(far, server_hostname=host) as tls:
            assert tls.recv(1) == b"x"
    finally:
        thread.join()
    return peer


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.96.0.1", "kubernetes.default.svc"])
def test_the_api_server_and_its_clients_accept_one_another(folder: CertificateFolder, host: str) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder.certificate("ca")))
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(folder.certificate("apiserver"), folder.key("apiserver"))
    client = ssl.create_default_context(cafile=str(folder.certificate("ca")))
    client.load_cert_chain(folder.certificate("admin"), folder.key("admin"))
    subject = _handshake(server, client, host)["subject"]
    assert (("organizationName", "system:masters"),) in subject  # type: ignore[operator]


def test_the_api_server_is_not_accepted_under_another_name(folder: CertificateFolder) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder.certificate("apiserver"), folder.key("apiserver"))
    client = ssl.create_default_context(cafile=str(folder.certificate("ca")))
    near, far = socket.socketpair()

    def serve() -> None:
        with near, pytest.raises((ssl.SSLError, ConnectionError)), server.wrap_socket(near, server_side=True) as tls:
            tls.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    with far, pytest.raises(ssl.SSLCertVerificationError):
        client.wrap_socket(far, server_hostname="10.0.0.99")
    thread.join()


def test_the_front_proxy_has_an_authority_of_its_own(folder: CertificateFolder) -> None:
    assert _read(folder, "front-proxy-client").issuer == _read(folder, "front-proxy-ca").subject
    assert _read(folder, "front-proxy-ca").public_key() != _read(folder, "ca").public_key()


def test_the_kubelet_is_the_node_that_the_authorizer_expects(folder: CertificateFolder) -> None:
    subject = _read(folder, "kubelet").subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:node-1"
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"
    names = _read(folder, "kubelet-serving").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ipaddress.ip_address("10.255.0.1") in names.get_values_for_type(x509.IPAddress)


def test_keys_are_readable_to_their_owner_alone(folder: CertificateFolder) -> None:
    keys = list(folder.folder.glob("*.key"))
    assert len(keys) >= 10
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_a_control_plane_without_node_gets_no_kubelet_certificate(tmp_path: Path) -> None:
    made = issue_all(tmp_path, api_addresses=[])
    assert not made.certificate("kubelet").exists()
    assert made.certificate("admin").exists()


def test_the_kubeconfig_carries_its_certificates(folder: CertificateFolder, tmp_path: Path) -> None:
    path = kubeconfig.write(tmp_path / "kubeconfig", folder, "admin", "https://127.0.0.1:6443", context="steersman-e2e")
    assert path.stat().st_mode & 0o777 == 0o600
    content = yaml.safe_load(path.read_text())
    assert content["current-context"] == "steersman-e2e"
    cluster = content["clusters"][0]["cluster"]
    assert cluster["server"] == "https://127.0.0.1:6443"
    assert base64.b64decode(cluster["certificate-authority-data"]) == folder.certificate("ca").read_bytes()
    assert base64.b64decode(content["users"][0]["user"]["client-key-data"]) == folder.key("admin").read_bytes()
