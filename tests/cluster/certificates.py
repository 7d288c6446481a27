"""The certificates of one cluster: a certificate authority of its own and what it signs."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=365)
API_SERVER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)

IDENTITIES = {
    "admin": ("admin", ("system:masters",)),
    "apiserver-kubelet-client": ("apiserver-kubelet-client", ("system:masters",)),
    "controller-manager": ("system:kube-controller-manager", ()),
    "scheduler": ("system:kube-scheduler", ()),
    "proxy": ("system:kube-proxy", ()),
    # It starts before any role could be made for it, and after a refused request it answers nothing for seconds.
    "coredns": ("system:coredns", ("system:masters",)),
}
"""File name to (user, groups) of the clients that every cluster has."""


@dataclass(frozen=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class CertificateFolder:
    """Writes keys (mode 0600) and certificates as NAME.key and NAME.crt into one folder."""

    def __init__(self, folder: Path, now: datetime.datetime | None = None) -> None:
        self.folder = folder
        self._now = now or datetime.datetime.now(datetime.UTC)
        folder.mkdir(parents=True, exist_ok=True)

    def certificate(self, name: str) -> Path:
        """Path of a certificate."""
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Path of a private key."""
        return self.folder / f"{name}.key"

    def authority(self, name: str, common_name: str) -> _Authority:
        """Make a self-signed certificate authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(common_name, (), (), (), key.public_key(), None, key)
        self._write(name, certificate, key)
        return _Authority(certificate, key)

    def issue(
        self,
        name: str,
        authority: _Authority,
        common_name: str,
        organizations: Sequence[str] = (),
        *,
        addresses: Sequence[str] = (),
        names: Sequence[str] = (),
    ) -> None:
        """Make a certificate for a client, and for a server at `addresses` and DNS `names`."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(
            common_name, organizations, addresses, names, key.public_key(), authority, authority.key
        )
        self._write(name, certificate, key)

    def signing_pair(self, name: str) -> None:
        """Make the key pair that signs service-account tokens: NAME.key and NAME.pub."""
        key = ec.generate_private_key(ec.SECP256R1())
        self._write_key(name, key)
        (self.folder / f"{name}.pub").write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )

    def _sign(
        self,
        common_name: str,
        organizations: Sequence[str],
        addresses: Sequence[str],
        names: Sequence[str],
        public_key: ec.EllipticCurvePublicKey,
        authority: _Authority | None,
        signing_key: ec.EllipticCurvePrivateKey,
    ) -> x509.Certificate:
        is_authority = authority is None
        subject = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
            + [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority.certificate.subject if authority else subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            # An hour back: the clocks of a machine and its virtual machines differ.
            .not_valid_before(self._now - datetime.timedelta(hours=1))
            .not_valid_after(self._now + LIFETIME)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=not is_authority,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=is_authority,
                    crl_sign=is_authority,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )
        if authority is not None:
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
            ).add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder.sign(signing_key, hashes.SHA256())

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._write_key(name, key)
        self.certificate(name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _write_key(self, name: str, key: ec.EllipticCurvePrivateKey) -> None:
        path = self.key(name)
        path.touch(mode=0o600)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )


def issue_all(
    folder: Path, *, api_addresses: Sequence[str], node: str = "", node_address: str = ""
) -> CertificateFolder:
    """Everything that a control plane needs and, when `node` is named, that node's kubelet too.

    `api_addresses` are the addresses at which clients reach the API server, 127.0.0.1 always among them.
    """
    made = CertificateFolder(folder)
    authority = made.authority("ca", "kubernetes-ca")
    made.issue(
        "apiserver", authority, "kube-apiserver", addresses=["127.0.0.1", *api_addresses], names=API_SERVER_NAMES
    )
    for name, (user, groups) in IDENTITIES.items():
        made.issue(name, authority, user, groups)
    if node:
        made.issue("kubelet", authority, f"system:node:{node}", ["system:nodes"])
        made.issue(
            "kubelet-serving",
            authority,
            node,
            ["system:nodes"],
            addresses=["127.0.0.1", node_address],
            names=[node],
        )
    front_proxy = made.authority("front-proxy-ca", "front-proxy-ca")
    made.issue("front-proxy-client", front_proxy, "front-proxy-client")
    made.signing_pair("service-account")
    return made
