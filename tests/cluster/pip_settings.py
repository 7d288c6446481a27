"""The pip settings of this machine, written so that pip finds the same packages inside an image build."""

from __future__ import annotations

import configparser
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian images keep the certificate authorities that they trust."""
CARRIED = (
    "index-url",
    "extra-index-url",
    "find-links",
    "trusted-host",
    "no-index",
    "timeout",
    "default-timeout",
    "retries",
    "proxy",
    "prefer-binary",
    "only-binary",
    "disable-pip-version-check",
)
"""Settings that say where packages come from and how; those that name places on this machine are not among them."""


@dataclass(frozen=True)
class PipSettings:
    """A pip.conf and the folders that it names."""

    text: str
    folders: tuple[Path, ...]


def configuration_files(home: Path) -> list[Path]:
    """The files that pip reads on Linux, in its order."""
    named = os.environ.get("PIP_CONFIG_FILE")
    return [
        Path("/etc/pip.conf"),
        home / ".pip" / "pip.conf",
        Path(os.environ.get("XDG_CONFIG_HOME", home / ".config")) / "pip" / "pip.conf",
        *([Path(named)] if named else []),
    ]


def collect(environment: Mapping[str, str], files: Iterable[Path]) -> PipSettings:
    """Merge pip's files and its PIP_* variables, the later ones winning as in pip."""
    values: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file)
        except (configparser.Error, OSError):
            continue  # pip itself will complain of it
        for section in ("global", "install"):
            if parser.has_section(section):
                values.update(parser.items(section))
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            values[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    kept = {name: value for name, value in values.items() if name in CARRIED}
    kept["cert"] = CERTIFICATES
    writer = configparser.RawConfigParser()
    writer["global"] = kept
    text = io.StringIO()
    writer.write(text)
    folders = [Path(word) for word in kept.get("find-links", "").split() if Path(word).is_dir()]
    return PipSettings(text.getvalue(), tuple(dict.fromkeys(folder.resolve() for folder in folders)))


def certificate_bundle(environment: Mapping[str, str]) -> Path | None:
    """The machine's file of trusted certificate authorities, which may hold a company's own."""
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"):
        if (value := environment.get(name)) and Path(value).is_file():
            return Path(value)
    for place in (CERTIFICATES, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"):
        if Path(place).is_file():
            return Path(place)
    return None
